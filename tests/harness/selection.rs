//! The command line: as libtest's.

use std::fs;

use crate::project::Project;
use crate::target::Ran;

fn lines(ran: &Ran) -> Vec<&str> {
    assert!(ran.status.success(), "{}", ran.stderr);
    ran.stdout.lines().collect()
}

#[test]
fn listing_names_every_trial() {
    let project = Project::new();
    let ran = project.run(&["--list", "matrix"]);
    assert_eq!(
        lines(&ran),
        [
            "nested/deeper/matrix/image/64k::qcow2: test",
            "nested/deeper/matrix/image/64k::raw: test",
            "nested/deeper/matrix/image/1M::qcow2: test",
            "nested/deeper/matrix/image/1M::raw: test",
            "nested/deeper/matrix/plain::raw: test",
            "nested/deeper/matrix/plain::raw::nbd: test",
        ]
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(project.run(&["--list", "--format", "terse", "matrix"]).stdout, ran.stdout);
}

#[test]
fn what_cannot_run_is_listed_as_ignored() {
    let project = Project::new();
    let ignored = project.run(&["--list", "--format", "terse", "--ignored"]);
    assert_eq!(
        lines(&ignored),
        ["fixtures/needy/never::raw: test", "outcome/for_others::raw: test", "outcome/for_root::raw: test"]
    );
    let narrowed =
        project.run_with(&["--list", "--format", "terse", "--ignored", "matrix"], &[("IMGFMT", "vmdk")]);
    assert_eq!(
        lines(&narrowed),
        [
            "nested/deeper/matrix/image/64k::vmdk: test",
            "nested/deeper/matrix/image/1M::vmdk: test",
            "nested/deeper/matrix/plain::vmdk: test",
            "nested/deeper/matrix/plain::vmdk::nbd: test",
        ]
    );
}

#[test]
fn ignored_trials_tell_their_reason_however_they_are_asked_for() {
    let project = Project::new();
    let reason = "outcome/for_others::raw: ignored (not suitable for this OS: linux)";
    assert_eq!(project.run(&["outcome/for_others"]).results(), [reason]);
    assert_eq!(project.run(&["outcome/for_others", "--ignored"]).results(), [reason]);
    assert_eq!(project.run(&["outcome/for_others", "--include-ignored"]).results(), [reason]);
    assert_eq!(project.run(&["outcome/passes", "--ignored"]).results(), [""; 0]);
}

#[test]
fn variables_narrow_the_matrix_with_reasons() {
    let project = Project::new();
    let ran = project.run_with(&["matrix"], &[("IMGFMT", "raw,luks"), ("IMGPROTO", "nbd")]);
    assert!(ran.status.success(), "{}", ran.stdout);
    assert_eq!(
        ran.results(),
        [
            "nested/deeper/matrix/image/64k::raw::nbd: ignored (not suitable for this protocol: nbd)",
            "nested/deeper/matrix/image/64k::luks::nbd: ignored (not suitable for this image format: luks)",
            "nested/deeper/matrix/image/1M::raw::nbd: ignored (not suitable for this protocol: nbd)",
            "nested/deeper/matrix/image/1M::luks::nbd: ignored (not suitable for this image format: luks)",
            "nested/deeper/matrix/plain::raw::nbd: ok",
            "nested/deeper/matrix/plain::luks::nbd: ignored (not suitable for this image format: luks)",
        ]
    );
}

#[test]
fn filters_and_skips_select() {
    let project = Project::new();
    let count = |args: &[&str]| lines(&project.run(&[args, &["--list"]].concat())).len();
    assert_eq!(count(&["image/1M"]), 2);
    assert_eq!(count(&["::qcow2"]), 3);
    assert_eq!(count(&["image/1M", "--skip", "qcow2"]), 1);
    assert_eq!(count(&["image/1M", "outcome/passes"]), 3);
    assert_eq!(count(&["--exact", "outcome/passes"]), 0);
    assert_eq!(count(&["--exact", "outcome/passes::raw"]), 1);
    assert_eq!(count(&["--exact", "outcome/passes::raw", "references/same::raw"]), 2);
    assert_eq!(count(&["--exact", "nested/deeper/matrix/image/1M::qcow2"]), 1);
    assert_eq!(count(&["--exact", "nested/deeper/matrix/plain::raw::nbd"]), 1);
    assert_eq!(count(&["no such trial"]), 0);
}

#[test]
fn what_filters_leave_out_is_counted_however_many_they_are() {
    let project = Project::new();
    let counts = |args: &[&str]| {
        let ran = project.run(args);
        let line = ran.stdout.lines().find(|line| line.starts_with("test result: ")).unwrap();
        line.split("; ")
            .filter_map(|part| part.split_once(' ').map(|(count, _)| count.to_owned()))
            .collect::<Vec<_>>()
    };
    let one = counts(&["matrix/image"]);
    let all = project.run(&["--list"]).stdout.lines().count();
    assert_eq!(one[4], (all - 4).to_string(), "{one:?}");
    assert_eq!(counts(&["matrix/image/1M", "matrix/image/64k"]), one);
    assert_eq!(counts(&["matrix/image/1M", "matrix/image", "matrix/plain", "--skip", "plain"]), one);
}

#[test]
fn a_whole_name_asks_for_nothing_else() {
    let project = Project::new();
    // The suite of this file panics when it is registered, and the stale reference would be reported.
    fs::write(project.reference("references/gone.out"), "").unwrap();
    let trap = [("DOWNSTREAM_MISTAKE", "registration")];
    let exact = project.run_with(&["--exact", "outcome/passes::raw", "--nocapture"], &trap);
    assert_eq!(exact.results(), ["outcome/passes::raw: ok"], "{}", exact.stderr);
    assert!(!project.run_with(&["outcome/passes::raw"], &trap).status.success());
    assert!(!project.run(&["outcome/passes::raw"]).status.success());
}

#[test]
fn a_whole_name_that_is_not_there_runs_nothing() {
    let project = Project::new();
    for name in ["outcome/passes::qcow2", "outcome", "outcome/passes", "no/such/case::raw", ""] {
        let ran = project.run(&["--exact", name]);
        assert!(ran.status.success(), "{}", ran.stderr);
        assert!(ran.stdout.contains("running 0 tests\n"), "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains(&format!("no trial is called {name:?}: --exact")), "{}", ran.stderr);
    }
}

#[test]
fn a_name_that_nothing_has_is_reported() {
    let project = Project::new();
    let ran = project.run(&["outcome/passes", "outcome/pases"]);
    assert!(ran.status.success());
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"]);
    let reported: Vec<_> = ran.stderr.lines().filter(|line| line.contains("no trial")).collect();
    assert_eq!(
        reported,
        ["iotests: no trial has \"outcome/pases\" in its name: --list shows what there is"],
        "{}",
        ran.stderr
    );
}

#[test]
fn json_is_what_ides_read() {
    let project = Project::new();
    let ran = project.run(&["references/", "--format", "json", "-Z", "unstable-options", "--show-output"]);
    assert_eq!(ran.status.code(), Some(101));
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["test_count"], 9);
    let failed = events.iter().find(|event| event["event"] == "failed").unwrap();
    assert_eq!(failed["name"], "references/differs::raw");
    assert!(failed["stdout"].as_str().unwrap().contains("\n-three···\n"), "{failed}");
    assert_eq!(events.last().unwrap()["passed"], 5);
}

#[test]
fn other_spellings_of_libtest_are_taken() {
    let project = Project::new();
    for args in
        [&["--no-capture"][..], &["--nocapture"], &["-q"], &["--show-output"], &["--quiet", "--color=never"]]
    {
        let ran = project.run(&[&["outcome/passes"], args].concat());
        assert!(ran.status.success(), "{args:?}: {}", ran.stderr);
        assert!(
            ran.stdout.contains("test result: ok. 1 passed; 0 failed; 0 ignored"),
            "{args:?}: {}",
            ran.stdout
        );
    }
}

#[test]
fn the_number_of_threads_may_come_from_the_environment() {
    let project = Project::new();
    let run = |threads| project.finish(project.command(["references/"]).env("RUST_TEST_THREADS", threads));
    let (one, many) = (run("1"), run("16"));
    // On one thread the trials end in their order; on many the same ones end the same way.
    assert_eq!(one.results().first().map(String::as_str), Some("references/same::raw: ok"));
    let sorted = |ran: &Ran| {
        let mut results = ran.results();
        results.sort();
        results
    };
    assert_eq!(sorted(&one), sorted(&many));
}
