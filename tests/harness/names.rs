//! Trials that would share a name or a reference, and trials whose names are alike.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::project::cargo_offline;
use crate::register::build;
use crate::target::Ran;

/// Whether there is a cargo-nextest; without one, what only it shows is not tested.
fn has_nextest() -> bool {
    let found = Command::new(env!("CARGO")).args(["nextest", "--version"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("cargo-nextest is not installed: not tested with it");
    }
    found
}

/// A run of the target of a project that is built.
fn run(binary: &Path, dir: &TempDir, args: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let mut command = Command::new(binary);
    command.args(args).env("CARGO_MANIFEST_DIR", dir.path()).env("TEST_DIR", dir.path().join("scratch"));
    Ran::of(command.env_remove("NEXTEST_RUN_ID").env_remove("CI").envs(variables.iter().copied()))
}

/// The same under nextest.
fn nextest(dir: &TempDir, args: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let mut command = cargo_offline(dir.path());
    command.args(["nextest", "run", "--offline", "--no-fail-fast", "--test", "iotests"]).args(args);
    command.env("TEST_DIR", dir.path().join("scratch")).env_remove("NEXTEST_RUN_ID").env_remove("CI");
    Ran::of(command.envs(variables.iter().copied()))
}

fn case(body: &str) -> String {
    format!("use iotests::prelude::*;\n\npub fn suite(s: &mut Suite) {{\n{body}\n}}\n")
}

#[test]
fn two_trials_of_one_name_are_a_mistake_however_they_meet() {
    let test = |name: &str| format!("    s.test({name:?}, |t| Ok(t.log(\"x\")));");
    let with_param = |name: &str, param: &str| {
        format!("    s.test({name:?}, |t| Ok(t.log(\"x\")))\n        .params([{param:?}]);")
    };
    let on_fixture = |fixture: &str, name: &str| {
        format!("    s.fixture({fixture:?}, |_| Ok(()))\n        .test({name:?}, |t, ()| Ok(t.log(\"y\")));")
    };
    let (_, built, said) = build("names", &[("cases/unused.rs", &case(&test("a")))]);
    assert!(built.is_some(), "{said}");
    let files = [
        // A test with a parameter beside a fixture with a test of that name.
        ("cases/one.rs", case(&[with_param("b", "c"), on_fixture("b", "c")].join("\n"))),
        // A parameter beside a test of another file.
        ("cases/two.rs", case(&with_param("b", "c"))),
        ("cases/two/b.rs", case(&test("c"))),
        // A test beside a script, and a whole script beside a test with parameters.
        ("cases/three.rs", case(&[test("b"), with_param("d", "e")].join("\n"))),
        ("cases/three/b.case", "log z\n".to_owned()),
        ("cases/three/d.case", "log z\n".to_owned()),
        // One reference, though the trials' names differ.
        (
            "cases/four.rs",
            case(
                "    s.test(\"b\", |_| Ok(())).params([\"c\"]).formats([\"raw\"]);\n    \
                 s.fixture(\"b\", |_| Ok(())).test(\"c\", |_, ()| Ok(())).formats([\"qcow2\"]);",
            ),
        ),
        // The reference of one parameter as a variant of that of another.
        ("cases/five.rs", case("    s.test(\"b\", |_| Ok(())).params([\"1M\", \"1M.raw\", \"1.5M\"]);")),
        ("cases/sound.rs", case(&[test("b"), with_param("c", "d")].join("\n"))),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (dir, built, said) = build("names", &files);
    let binary = built.expect(&said);
    let shared = "so that two tests would share a name or a reference: rename one";
    let mistakes = [
        ("one/b/c::raw", format!("cases/one.rs:7: one/b/c is declared here and in cases/one.rs:4, {shared}")),
        ("two/b/c::raw", format!("cases/two/b.rs:4: two/b/c is declared here and in cases/two.rs:4, {shared}")),
        ("three/b::raw", format!("cases/three/b.case:1: three/b is declared here and in cases/three.rs:4, {shared}")),
        ("three/d::raw", format!("cases/three/d.case:1: three/d is declared here and in cases/three.rs:5, {shared}")),
        ("three/d/e::raw", format!("cases/three/d.case:1: three/d is declared here and in cases/three.rs:5, {shared}")),
        ("four/b/c::raw", format!("cases/four.rs:5: four/b/c is declared here and in cases/four.rs:4, {shared}")),
        (
            "five/b/1M::raw",
            "cases/five.rs:4: five/b/1M.raw is declared here, and its reference would also be a variant of that of \
             five/b/1M, declared in cases/five.rs:4: rename one"
                .to_owned(),
        ),
    ];
    let all = run(&binary, &dir, &["--list"], &[]);
    assert_eq!((all.status.code(), all.stdout.as_str()), (Some(2), ""), "{}", all.stderr);
    for (name, mistake) in &mistakes {
        assert!(all.stderr.contains(&format!("iotests: {mistake}\n")), "{mistake}\n{}", all.stderr);
        let exact = run(&binary, &dir, &["--exact", name, "--nocapture"], &[]);
        assert_eq!((exact.status.code(), exact.stdout.as_str()), (Some(2), ""), "{name}");
        assert!(exact.stderr.contains(&format!("iotests: {mistake}\n")), "{name}: {}", exact.stderr);
    }
    assert_eq!(all.stderr.lines().count(), 6 + 1, "{}", all.stderr);
    let sound = run(&binary, &dir, &["--exact", "sound/c/d::raw"], &[("IOTESTS_BLESS", "1".as_ref())]);
    assert_eq!(sound.results(), ["sound/c/d::raw: ok"], "{}", sound.stderr);
    assert!(!dir.path().join("reference/one").exists());
    if has_nextest() {
        let ran = nextest(&dir, &[], &[]);
        assert!(!ran.status.success());
        assert!(ran.stderr.contains("cases/one.rs:7: one/b/c is declared here"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("PASS"), "{}", ran.stderr);
    }
}

#[test]
fn the_trials_of_a_case_are_one_suite_of_junit() {
    let pass = |names: &[&str]| {
        case(
            &names
                .iter()
                .map(|name| format!("    s.test({name:?}, |_| Ok(()));"))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    };
    let files = [("cases/a.rs", pass(&["a", "d"])), ("cases/a/b.rs", pass(&["c"]))];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (dir, built, said) = build("junit", &files);
    let binary = built.expect(&said);
    let report = dir.path().join("junit.xml");
    let suites = |ran: Ran| {
        assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
        let text = fs::read_to_string(&report).unwrap();
        fs::remove_file(&report).unwrap();
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("<testsuite "));
        lines.map(|line| line.split(" skipped").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["<testsuite name=\"a\" tests=\"2\"", "<testsuite name=\"a/b\" tests=\"1\""];
    let variables: [(&str, &Path); 1] = [("IOTESTS_JUNIT", &report)];
    assert_eq!(suites(run(&binary, &dir, &["--test-threads=1"], &variables)), expected);
    if has_nextest() {
        assert_eq!(suites(nextest(&dir, &[], &variables)), expected);
    }
}
