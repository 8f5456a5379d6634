//! A project that is elsewhere than it was built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::register::{build_in, write, write_project};
use crate::target::Ran;

const CASE: &str = "pub fn suite(s: &mut iotests::suite::Suite) { s.test(\"one\", |t| Ok(t.log(\"x\"))); }\n";

const SCRIPT: &str = "quiet log hello\n";
/// What the script logs.
const LOG: &str = "> quiet log hello\n";

/// A project that was built in `old`, is now in `new`, and its program, which is in the target directory there.
fn moved(name: &str, dir: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let [old, new] = ["old", "new"].map(|name| dir.join(name));
    fs::create_dir(&old).unwrap();
    let files = [("cases/first.rs", CASE), ("cases/script.case", SCRIPT), ("reference/script.out", LOG)];
    write_project(&old, name, &files);
    let built = build_in(&old);
    let deps = old.join("target/debug/deps");
    fs::create_dir_all(&deps).unwrap();
    fs::copy(built.executable.expect(&built.said), deps.join("iotests-1")).unwrap();
    fs::rename(&old, &new).unwrap();
    let program = new.join("target/debug/deps/iotests-1");
    (old, new, program)
}

fn run(program: &Path, args: &[&str], root: Option<&Path>) -> Ran {
    let mut command = Command::new(program);
    command.args(args).arg("--test-threads=1").env_remove("CARGO_MANIFEST_DIR").env_remove("TEST_DIR");
    Ran::of(command.envs(root.map(|root| ("CARGO_MANIFEST_DIR", root))))
}

#[test]
fn everything_is_found_where_the_project_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new, program) = moved("moved", dir.path());
    for root in [None, Some(new.as_path())] {
        let ran = run(&program, &[], root);
        assert_eq!(ran.results(), ["first/one::raw: FAILED", "script::raw: ok"], "{}", ran.stderr);
        let files = ran.stdout.lines().find_map(|line| line.strip_prefix("files:     ")).unwrap();
        assert!(new.join(files).join("actual.out").exists(), "{files}");
        assert!(ran.stdout.contains("there is no reference reference/first/one.out"), "{}", ran.stdout);
        assert!(new.join("target/iotests/history.txt").exists());
        fs::remove_dir_all(new.join("target/iotests")).unwrap();
        assert!(!old.exists());
    }
    // Another package's, whose run started this one.
    let other = dir.path().join("other");
    write(&other, "Cargo.toml", "[package]\nname = \"other\"\n");
    assert_eq!(run(&program, &["script"], Some(&other)).results(), ["script::raw: ok"]);
    assert!(!other.join("target").exists());
}

#[test]
fn a_new_case_is_not_waited_for_that_the_build_of_another_place_will_not_notice() {
    let dir = tempfile::tempdir().unwrap();
    let (_, new, program) = moved("moved-new-case", dir.path());
    write(&new, "cases/second.rs", CASE);
    let ran = run(&program, &[], Some(&new));
    assert_eq!(ran.status.code(), Some(2));
    let expected = format!(
        "iotests: cases/second.rs is new: this program was built in {}, and cargo may take it for up to date here\n\
         what to do: run `cargo clean -p moved-new-case` in {}, then run this again\n",
        dir.path().join("old").display(),
        new.display()
    );
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
}

#[test]
fn a_program_without_its_project_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (old, _, program) = moved("moved-away", dir.path());
    let away = dir.path().join("away");
    fs::copy(program, &away).unwrap();
    for args in [&[][..], &["--list"], &["--exact", "script::raw"], &["--exact", "first/one::raw"]] {
        let ran = run(&away, args, None);
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        let expected = format!(
            "iotests: there is no directory {old}/cases, where the case files of the package moved-away should be; this \
             program was built in {old}\nwhat to do: run it by cargo in the package's directory, or set \
             CARGO_MANIFEST_DIR to that directory\niotests: nothing was run\n",
            old = old.display()
        );
        assert_eq!(ran.stderr, expected, "{args:?}");
    }
    assert!(!old.exists());
}

#[test]
fn case_files_behind_symbolic_links_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (_, new, program) = moved("linked", dir.path());
    let list = |args: &[&str]| run(&program, &[&["--list"], args].concat(), Some(&new));
    let shared = dir.path().join("shared");
    write(&shared, "deep/script.case", SCRIPT);
    write(&new, "reference/file.out", LOG);
    // References may be shared likewise.
    write(&shared, "references/deep/script.out", LOG);
    symlink(shared.join("references"), new.join("reference/link")).unwrap();
    symlink(&shared, new.join("cases/link")).unwrap();
    symlink(shared.join("deep/script.case"), new.join("cases/file.case")).unwrap();
    let listed = list(&[]);
    for name in ["link/deep/script::raw", "file::raw"] {
        assert!(listed.stdout.contains(&format!("{name}: test\n")), "{}{}", listed.stdout, listed.stderr);
        assert_eq!(run(&program, &["--exact", name], Some(&new)).results(), [format!("{name}: ok")]);
    }
    write(&shared, "late.rs", CASE);
    assert!(list(&[]).stderr.contains("cases/link/late.rs is new"), "{}", list(&[]).stderr);
    fs::remove_file(shared.join("late.rs")).unwrap();
    // A stale reference among them is still found.
    write(&shared, "references/gone.out", "x\n");
    let stale = run(&program, &[], Some(&new));
    assert!(
        stale.stderr.contains("reference/link/gone.out: no test owns this reference"),
        "{}",
        stale.stderr
    );
    fs::remove_file(new.join("reference/link")).unwrap();

    symlink(&new, shared.join("deep/back")).unwrap();
    let ran = list(&[]);
    assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("the symbolic link "), "{}", ran.stderr);
    assert!(ran.stderr.contains(" leads back to ") && ran.stderr.contains("deep/back"), "{}", ran.stderr);
    fs::remove_file(shared.join("deep/back")).unwrap();
    nix::unistd::mkfifo(&new.join("cases/pipe.case"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ran = list(&[]);
    assert!(ran.stderr.contains("cases/pipe.case is neither a file nor a directory"), "{}", ran.stderr);
}
