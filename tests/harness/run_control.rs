//! Which trials run, in which order, and when the run ends early.

use std::fs;

use crate::project::Project;

#[test]
fn groups_select() {
    let project = Project::new();
    let count = |groups: &str| {
        let ran = project.run_with(&["--list"], &[("IOTESTS_GROUPS", groups)]);
        assert!(ran.status.success(), "{}", ran.stderr);
        ran.stdout.lines().count()
    };
    assert_eq!(count("rw"), 6);
    assert_eq!(count("plain"), 2);
    assert_eq!(count("rw,!plain"), 4);
    assert_eq!(count("quick"), 13 + 6);
    assert_eq!(count("!quick,!slow"), count("!slow") - count("quick"));
}

#[test]
fn groups_are_listed_by_file() {
    let project = Project::new();
    let ran = project.run_with(&[], &[("IOTESTS_LIST", "groups")]);
    assert!(ran.status.success());
    assert_eq!(
        ran.stdout,
        "cases/mistakes.rs\n\
         cases/nested/deeper/matrix.rs # group: plain quick rw\n\
         cases/outcome.rs # group: quick\n\
         cases/references.rs\n\
         cases/running.rs\n\
         cases/time.rs # group: slow\n"
    );
}

#[test]
fn what_failed_runs_again() {
    let project = Project::new();
    let failed = [("IOTESTS_RERUN", "failed")];
    project.run(&["references/"]);
    let again = project.run_with(&[], &failed);
    assert_eq!(
        again.results(),
        ["differs", "missing", "unexpected", "broken_off"]
            .map(|name| format!("references/{name}::raw: FAILED"))
    );
    project.run_with(&["references/"], &[("IOTESTS_BLESS", "1")]);
    let again = project.run_with(&[], &failed);
    assert_eq!(
        again.results(),
        ["unexpected", "broken_off"].map(|name| format!("references/{name}::raw: FAILED"))
    );
}

#[test]
fn the_first_failure_may_end_the_run() {
    let project = Project::new();
    let ran = project.run_with(&["references/"], &[("IOTESTS_FAIL_FAST", "1")]);
    assert_eq!(ran.status.code(), Some(101));
    let results = ran.results();
    assert_eq!(results[..2], ["references/same::raw: ok", "references/differs::raw: FAILED"]);
    let why = "ignored (not run, for references/differs::raw failed before and IOTESTS_FAIL_FAST is set)";
    assert!(results[2..].iter().all(|line| line.ends_with(why)), "{results:?}");
    assert_eq!(results.len(), 9);
}

#[test]
fn the_longest_start_first() {
    let project = Project::new();
    fs::create_dir(project.scratch()).unwrap();
    let history = r#"{
        "references/same::raw": {"seconds": 0.5, "failed": false},
        "references/differs::raw": {"seconds": 2.5, "failed": true},
        "references/varies::qcow2": {"seconds": 1.5, "failed": false}
    }"#;
    fs::write(project.scratch().join("history.json"), history).unwrap();
    // With one idle worker more, trials still start in the order they are handed out in; the
    // stderr of blessing tells it.
    let log = project.root().join("log");
    let mut command = project.command([
        "references/same",
        "references/differs",
        "references/varies::qcow2",
        "--test-threads=2",
    ]);
    let ran = project.finish(command.env("IOTESTS_LOG", &log));
    assert_eq!(ran.results().len(), 3, "{}", ran.stdout);
    let history: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(project.scratch().join("history.json")).unwrap()).unwrap();
    assert_eq!(history["references/differs::raw"]["failed"], true);
    assert!(
        history["references/differs::raw"]["seconds"].as_f64().unwrap() < 2.5,
        "what was measured replaces it"
    );
}

#[test]
fn a_serial_resource_is_held_across_processes() {
    let project = Project::new();
    let start = || {
        let mut command = project.command(["running/alone", "--test-threads=2"]);
        command.env("DOWNSTREAM_ALONE", project.root()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    for run in [start(), start(), start()] {
        let output = run.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("2 passed; 0 failed; 0 ignored"), "{text}");
    }
}
