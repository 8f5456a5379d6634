//! Which trials run, in which order, and when the run ends early.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use nix::sys::stat::{Mode, umask};

use crate::kill::Busy;
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
        "cases/fixtures.rs\n\
         cases/mistakes.rs\n\
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
    let forgotten = "iotests: none of these trials is remembered in ROOT/scratch as failed\n";
    let says_so = |args: &[&str]| {
        let ran = project.run_with(args, &failed);
        assert_eq!(ran.results(), Vec::<String>::new(), "{}", ran.stdout);
        ran.stderr.contains(forgotten)
    };
    assert!(says_so(&[]) && says_so(&["--list"]));
    assert!(!says_so(&["--list", "--ignored"]));
    let named = project.run_with(&["--exact", "references/same::raw"], &failed);
    assert_eq!(named.results(), ["references/same::raw: ok"], "who names a trial has chosen it");
    project.run(&["references/"]);
    assert!(says_so(&["outcome/"]) && !says_so(&["--list"]));
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
fn each_run_adds_to_the_history() {
    let project = Project::new();
    // Each line without its time.
    let history = || -> Vec<String> {
        let text = fs::read_to_string(project.scratch().join("history.txt")).unwrap();
        let lines = text.lines().map(|line| line.split_once(' ').unwrap());
        lines
            .inspect(|(time, _)| assert!(*time == "project" || time.parse::<f64>().is_ok(), "{text}"))
            .map(|(_, rest)| rest.replace(project.root().to_str().unwrap(), "ROOT"))
            .collect()
    };
    project.run(&["references/differs", "outcome/skips::"]);
    assert_eq!(
        history(),
        ["ROOT:iotests", "failed references/differs::raw"],
        "what was skipped took no time"
    );
    project.run(&["--exact", "references/same::raw"]);
    assert_eq!(history()[1..], ["failed references/differs::raw", "passed references/same::raw"]);
}

#[test]
fn what_is_left_of_trials_that_are_gone_goes() {
    let project = Project::new();
    let case = project.root().join("cases/gone/soon.case");
    fs::create_dir_all(case.parent().unwrap()).unwrap();
    fs::write(&case, "qemu-img info /no/such/image\n").unwrap();
    let names = ["gone/soon", "references/differs"];
    project.run(&names);
    let [gone, stays] = names.map(|name| project.kept("failed", &format!("{name}.raw")));
    assert!(gone.exists() && stays.exists());
    fs::remove_file(&case).unwrap();
    // Everything may run, but nothing after the first failure.
    let full = || {
        let ran = project.run_with(&[], &[("IOTESTS_FAIL_FAST", "1"), ("IMGFMT", "qcow2")]);
        assert_eq!(ran.status.code(), Some(101), "{}", ran.stderr);
    };
    project.run(&["references/same"]);
    assert!(gone.exists(), "a part of the trials was run");
    let live = Busy::start(&project, "running/busy::raw");
    full();
    assert!(gone.exists(), "another run is on");
    drop(live);
    full();
    assert!(!gone.parent().unwrap().exists());
    assert!(stays.exists());
    let history = fs::read_to_string(project.scratch().join("history.txt")).unwrap();
    assert!(history.contains("references/differs::raw") && !history.contains("gone/soon"), "{history}");
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

#[test]
fn the_lock_of_a_serial_resource_is_for_all_users() {
    let project = Project::new();
    let mut command = project.command(["--exact", "running/alone_1::raw"]);
    command.env("DOWNSTREAM_ALONE", project.root());
    let careful = || {
        umask(Mode::from_bits_truncate(0o077));
        Ok(())
    };
    // SAFETY: the closure makes one system call, which is async-signal-safe.
    unsafe { command.pre_exec(careful) };
    assert!(project.finish(&mut command).status.success());
    let lock = fs::metadata(project.root().join("iotests-serial-downstream-alone.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o644);
}

#[test]
fn what_a_trial_leaves_behind_starts_nothing_after_its_end() {
    let ran = Project::new().run(&["running/late"]);
    assert_eq!(ran.results(), ["running/late_1::raw: ok", "running/late_2::raw: ok"], "{}", ran.stdout);
}

#[test]
fn a_pass_in_one_project_leaves_what_another_has_kept() {
    let (project, other) = (Project::new(), Project::new());
    project.run(&["references/missing"]);
    let kept = project.kept("failed", "references/missing.raw");
    assert!(kept.exists());
    let shared = [("TEST_DIR", project.scratch())];
    fs::write(other.reference("references/missing.out"), "nobody wrote this down").unwrap();
    let ran = other.finish(other.command(["references/missing"]).envs(shared.iter().cloned()));
    assert_eq!(ran.results(), ["references/missing::raw: ok"], "{}", ran.stdout);
    assert!(kept.exists());
    // Nor does one that fails take its place.
    fs::write(kept.join("mine"), "").unwrap();
    other.finish(other.command(["references/differs", "references/varies"]).envs(shared.iter().cloned()));
    assert!(kept.join("mine").exists());
    assert_eq!(fs::read_dir(project.scratch().join("failed")).unwrap().count(), 2);
}
