//! How trials end, and what is reported about it.

use crate::project::Project;

#[test]
fn each_outcome_is_reported() {
    let project = Project::new();
    let ran = project.run(&["outcome/"]);
    assert_eq!(ran.status.code(), Some(101));
    ran.matches("outcomes");
}

#[test]
fn what_reproduces_a_failure_is_reported_without_what_is_of_no_matter() {
    let project = Project::new();
    let variables = [("IOTESTS_SUITE", "/"), ("IOTESTS_TIMEOUT_SCALE", "2"), ("NO_COLOR", "1")];
    let ran = project.run_with(&["outcome/fails"], &variables);
    let reported = "reproduce: TEST_DIR=ROOT/scratch IOTESTS_TIMEOUT_SCALE=2 cargo test ";
    assert!(ran.stdout.contains(reported), "{}", ran.stdout);
}

#[test]
fn tests_on_fixtures_end_as_the_tearing_down_does() {
    let project = Project::new();
    let ran = project.run(&["fixtures/"]);
    assert_eq!(ran.status.code(), Some(101));
    ran.matches("fixtures");
}

#[test]
fn a_failure_keeps_its_files_until_the_trial_passes() {
    let project = Project::new();
    for _ in 0..2 {
        project.run(&["outcome/all_at_once"]);
        let kept = project.kept("failed", "outcome/all_at_once.raw");
        assert_eq!(
            std::fs::read_to_string(kept.join("actual.out")).unwrap(),
            "first line\na line of its own  \n"
        );
        let logs = std::fs::read_dir(&kept).unwrap();
        let logs =
            logs.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "log"));
        assert_eq!(logs.count(), 1, "those of an earlier run are gone");
    }
    project.run(&["references/missing"]);
    let missing = project.kept("failed", "references/missing.raw");
    assert!(missing.exists());
    std::fs::write(project.reference("references/missing.out"), "nobody wrote this down").unwrap();
    assert!(project.run(&["references/missing"]).status.success());
    assert!(!missing.exists());
    assert!(project.kept("failed", "outcome/all_at_once.raw").exists());
}

#[test]
fn a_passed_trial_leaves_nothing_unless_asked_to() {
    let project = Project::new();
    let left = |variables: &[(&str, &str)]| {
        let ran = project.run_with(&["image/1M::qcow2"], variables);
        assert_eq!(ran.results(), ["nested/deeper/matrix/image/1M::qcow2: ok"], "{}", ran.stdout);
        let mut left: Vec<_> =
            std::fs::read_dir(project.scratch()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        left
    };
    assert_eq!(left(&[]), ["history.lock", "history.txt"]);
    assert_eq!(left(&[("IOTESTS_KEEP", "1")]), ["history.lock", "history.txt", "kept"]);
    let kept = project.kept("kept", "nested/deeper/matrix/image/1M.qcow2");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 1);
}

#[test]
fn time_is_limited_whatever_the_case_does() {
    let project = Project::new();
    let ran = project.run(&["time/"]);
    assert_eq!(ran.status.code(), Some(101));
    ran.matches("time");
}

#[test]
fn the_backtrace_of_a_panic_is_that_of_the_case() {
    let project = Project::new();
    let ran = project.run_with(&["--exact", "outcome/panics::raw"], &[("RUST_BACKTRACE", "1")]);
    assert!(ran.stdout.contains("cases/outcome.rs:11: panicked: at the disco\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("case_outcome::suite"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("panicking"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("harness::trial"), "{}", ran.stdout);
}

#[test]
fn colours_are_for_terminals() {
    let project = Project::new();
    let escapes = |args: &[&str]| project.run(args).stdout.matches("\u{1b}[31m-").count();
    assert_eq!(escapes(&["references/differs"]), 0);
    assert_eq!(escapes(&["references/differs", "--color=always"]), 1);
    assert_eq!(escapes(&["references/differs", "--color=never"]), 0);
}
