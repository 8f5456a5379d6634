//! Registering case files at build time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::project::{build_offline, sources};

/// Builds a project of these case files, under a name that no other test's has, for it would take that
/// one's place. Returns its directory, its test target, if it could be built, and what cargo said.
pub(crate) fn build(name: &str, cases: &[(&str, &str)]) -> (TempDir, Option<PathBuf>, String) {
    let dir = tempfile::tempdir().unwrap();
    write_project(dir.path(), name, cases);
    let Built { executable, said, .. } = build_in(dir.path());
    (dir, executable, said)
}

pub(crate) fn write_project(dir: &Path, name: &str, cases: &[(&str, &str)]) {
    let write = |name: &str, text: &str| write(dir, name, text);
    let manifest = fs::read_to_string(sources().join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("name = \"downstream\"", &format!("name = \"{name}\""));
    write("Cargo.toml", &manifest.replace("../..", env!("CARGO_MANIFEST_DIR")));
    for name in ["build.rs", "src/lib.rs", "cases/main.rs"] {
        write(name, &fs::read_to_string(sources().join(name)).unwrap());
    }
    for (name, text) in cases {
        write(name, text);
    }
}

pub(crate) fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What came of a build.
pub(crate) struct Built {
    /// The test target, if there is one.
    pub(crate) executable: Option<PathBuf>,
    /// What cargo said.
    pub(crate) said: String,
    /// What was compiled or run anew.
    pub(crate) anew: Vec<String>,
}

pub(crate) fn build_in(dir: &Path) -> Built {
    let output = build_offline(dir);
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages: Vec<Value> = messages.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text: String =
        messages.iter().filter_map(|message| message["message"]["rendered"].as_str()).collect();
    let executable = messages.iter().find_map(|message| message["executable"].as_str()).map(PathBuf::from);
    let stale = messages.iter().filter(|message| message["fresh"] == false);
    let anew = stale.map(|message| message["target"]["name"].as_str().unwrap().to_owned()).collect();
    Built { executable, said: text + &String::from_utf8(output.stderr).unwrap(), anew }
}

#[test]
fn scripts_and_references_compile_nothing_and_a_new_case_file_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    let case = "pub fn suite(s: &mut iotests::suite::Suite) { s.test(\"one\", |_| Ok(())); }\n";
    write_project(
        dir.path(),
        "editing",
        &[("cases/first.rs", case), ("cases/topic/script.case", "log one\n")],
    );
    // An editor's marks of files that are being changed.
    for name in ["cases/.#first.rs", "cases/topic/.#script.case"] {
        symlink("me@here.1:2", dir.path().join(name)).unwrap();
    }
    let built = build_in(dir.path());
    let run = |args: &[&str]| {
        let binary = built.executable.as_ref().expect(&built.said);
        let output = Command::new(binary).args(args).env("CARGO_MANIFEST_DIR", dir.path()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert!(run(&["--list"]).1.contains("topic/script::raw: test"), "{:?}", run(&["--list"]));

    write(dir.path(), "cases/topic/script.case", "log two\n");
    write(dir.path(), "cases/topic/new.case", "log new\n");
    write(dir.path(), "reference/topic/script.out", "two\n");
    assert_eq!(build_in(dir.path()).anew, Vec::<String>::new());
    assert!(run(&["--list"]).1.contains("topic/new::raw: test"));

    write(dir.path(), "cases/topic/second.rs", case);
    assert_eq!(build_in(dir.path()).anew, Vec::<String>::new());
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("cases/topic/second.rs is new: run this again, and it is built in"), "{said}");
    let again = build_in(dir.path());
    assert!(again.anew.contains(&"iotests".to_owned()), "{:?}", again.anew);
    assert!(run(&["--list"]).1.contains("topic/second/one::raw: test"), "{:?}", run(&["--list"]));
    assert_eq!(build_in(dir.path()).anew, Vec::<String>::new());
}

#[test]
fn cases_may_be_in_another_directory() {
    let dir = tempfile::tempdir().unwrap();
    let case = "pub fn suite(s: &mut iotests::suite::Suite) { s.test(\"one\", |_| Ok(())); }\n";
    write_project(
        dir.path(),
        "elsewhere",
        &[
            ("build.rs", "fn main() { iotests_build::cases(\"tests/block/\"); }\n"),
            ("tests/block/compiled.rs", case),
            ("tests/block/script.case", "quiet log hello\n"),
            ("reference/script.out", "> quiet log hello\n"),
            ("cases/ignored.case", "quiet log hello\n"),
        ],
    );
    let built = build_in(dir.path());
    let run = |new: &str| {
        let mut command = Command::new(built.executable.as_ref().expect(&built.said));
        command.args(["--test-threads=1"]).env("CARGO_MANIFEST_DIR", dir.path());
        let output = command.env("IOTESTS_NEW", new).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (ran, said) = run("");
    assert!(ran.contains("running 2 tests\n") && ran.contains("test result: ok. 2 passed"), "{ran}{said}");
    assert!(run("topic/new").1.starts_with("wrote tests/block/topic/new.case: "), "{}", run("topic/new").1);
    write(dir.path(), "tests/block/late.rs", case);
    let said = run("").1;
    assert!(said.contains("tests/block/late.rs is new: run this again"), "{said}");
    assert!(build_in(dir.path()).anew.contains(&"iotests".to_owned()));
}

#[test]
fn a_file_without_a_suite_is_an_error_that_names_it() {
    let (_dir, built, said) = build(
        "no-suite",
        &[("cases/deep/down/helper.rs", "//! Nothing here.\n// pub fn suite(s: &mut Suite)\n")],
    );
    assert_eq!(built, None);
    assert!(said.contains("error: cases/deep/down/helper.rs declares no suite: add `pub fn suite"), "{said}");
}

#[test]
fn files_whose_names_are_alike_live_together() {
    let case = "pub fn suite(s: &mut iotests::suite::Suite) { s.test(\"one\", |_| Ok(())); }\n";
    let files = ["cases/a-b.rs", "cases/a_b.rs", "cases/a/b.rs", "cases/type.rs", "cases/Upper.rs"];
    let (_dir, built, said) = build("alike", &files.map(|file| (file, case)));
    assert!(built.is_some(), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn names_that_would_not_do_in_trial_names_are_refused() {
    let case = "pub fn suite(s: &mut iotests::suite::Suite) { s.test(\"one\", |_| Ok(())); }\n";
    let (_dir, built, said) =
        build("bad-names", &[("cases/two words.rs", case), ("cases/dotted.raw.rs", case)]);
    // The root is the one it was built in.
    let ran = Command::new(built.expect(&said)).env_remove("CARGO_MANIFEST_DIR").output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    for file in ["two words", "dotted.raw"] {
        assert!(said.contains(&format!("cases/{file}.rs: expected letters, digits, _ and - only")), "{said}");
    }
}

#[test]
fn a_project_without_cases_says_so() {
    let (_dir, built, said) = build("no-cases", &[]);
    // The root is the one it was built in.
    let ran = Command::new(built.expect(&said)).env_remove("CARGO_MANIFEST_DIR").output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("no case files below ") && said.contains("add one, such as cases/first.rs"),
        "{said}"
    );
}

#[test]
fn a_target_with_another_harness_fails_and_says_why() {
    let manifest = fs::read_to_string(sources().join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("../..", env!("CARGO_MANIFEST_DIR")).replace("harness = false\n", "");
    let manifest = manifest.replace("name = \"downstream\"", "name = \"other-harness\"");
    let (_dir, built, said) = build("other-harness", &[("Cargo.toml", &manifest)]);
    let ran = Command::new(built.expect(&said)).output().unwrap();
    assert_eq!(ran.status.code(), Some(101));
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.contains("lacks the line: harness = false"), "{said}");
}

#[test]
fn a_build_script_compiles_the_crate_that_registers_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    write_project(dir.path(), "build-script", &[]);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"), dir.path().join("Cargo.lock"))
        .unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(dir.path()).args([
        "tree",
        "--offline",
        "--edges=build",
        "--prefix=none",
        "--format={p}",
    ]);
    let tree = cargo.output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["build-script", "iotests-build"], "{tree}");
}

#[test]
fn a_project_without_a_build_script_learns_what_it_should_do() {
    let dir = tempfile::tempdir().unwrap();
    write_project(dir.path(), "no-build-script", &[]);
    fs::remove_file(dir.path().join("build.rs")).unwrap();
    let said = build_in(dir.path()).said;
    assert!(said.contains("error: build.rs is missing: its main calls iotests_build::cases"), "{said}");
}
