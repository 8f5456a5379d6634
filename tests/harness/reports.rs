//! Reports in files, for other programs.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::Value;

use crate::project::Project;

/// Runs `names` with a report in a file, and returns what it says.
fn report(variable: &str, args: &[&str]) -> String {
    let project = Project::new();
    let path = project.root().join("reports/report");
    let ran = project.run_with(args, &[(variable, path.to_str().unwrap())]);
    assert_eq!(ran.status.code(), Some(101), "{}", ran.stdout);
    fs::read_to_string(path).unwrap().replace(project.root().to_str().unwrap(), "ROOT")
}

#[test]
fn unittest_is_the_reproducible_form() {
    let names = ["references/s", "outcome/s", "outcome/known", "outcome/fails", "time/sulks"];
    let rule = "-".repeat(70);
    let text = report("IOTESTS_UNITTEST", &names);
    assert!(text.starts_with("Fx.E...E\n======="), "{text}");
    assert!(text.contains(&format!("\nFAIL: fails::raw (outcome)\n{rule}\ncases/outcome.rs:")), "{text}");
    assert!(text.contains(&format!("\nERROR: sulks::raw (time)\n{rule}\ntimed out after 1.0 s\n")), "{text}");
    let end =
        format!("\n{rule}\nRan 8 tests\n\nFAILED (failures=1, errors=2, skipped=1, expected failures=1)\n");
    assert!(text.ends_with(&end), "{text}");
    let verbose = report("IOTESTS_UNITTEST", &[&names[..], &["--show-output"]].concat());
    assert!(verbose.contains("\nskips::raw (outcome) ... skipped 'no such moon today'\n"), "{verbose}");
    assert!(verbose.ends_with(&end));
}

#[test]
fn tap_is_numbered_and_has_reasons() {
    let text = report(
        "IOTESTS_TAP",
        &["outcome/skips::", "outcome/passes", "outcome/known", "outcome/fails", "outcome/in_part"],
    );
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with(" ")).collect();
    assert_eq!(
        lines,
        [
            "TAP version 14",
            "1..5",
            "not ok 1 - outcome/fails::raw",
            "ok 2 - outcome/in_part::raw",
            "not ok 3 - outcome/known::raw # TODO a bug that is known",
            "ok 4 - outcome/passes::raw",
            "ok 5 - outcome/skips::raw # SKIP no such moon today",
        ]
    );
    assert!(text.contains("\n  severity: fail\n  message: |\n    cases/outcome.rs:"), "{text}");
    assert!(
        text.contains("\n  message: |\n    cases/outcome.rs:16: not true: the known bug is gone\n"),
        "{text}"
    );
    assert!(text.contains("\n  not_run:\n    - \"the other half of the moon\"\n  ...\n"), "{text}");
}

#[test]
fn a_report_on_stdout_leaves_what_is_there() {
    let project = Project::new();
    let log = project.root().join("log");
    let mut command = project.command(["outcome/passes"]);
    command.env("IOTESTS_TAP", "/dev/stdout").stdout(File::create(&log).unwrap());
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(log).unwrap();
    assert!(text.starts_with("\nrunning 1 test\n"), "{text:?}");
    assert!(text.contains("\nTAP version 14\n1..1\nok 1 - outcome/passes::raw\n"), "{text:?}");
}

#[test]
fn the_log_has_an_object_for_each_trial() {
    let text = report("IOTESTS_LOG", &["outcome/"]);
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 13);
    let of =
        |name: &str| objects.iter().find(|object| object["name"] == format!("outcome/{name}::raw")).unwrap();
    assert_eq!(of("passes")["outcome"], "passed");
    assert_eq!(of("passes")["file"], "cases/outcome.rs");
    assert_eq!(of("skips")["reason"], "no such moon today");
    assert_eq!(of("known")["outcome"], "known failure");
    assert_eq!(of("known")["reason"], "a bug that is known");
    assert_eq!(of("known")["text"], "cases/outcome.rs:16: not true: the known bug is gone");
    assert_eq!(of("fails")["outcome"], "failed");
    assert_eq!(of("crashes")["outcome"], "error");
    assert_eq!(of("in_part")["not_run"], Value::from(vec!["the other half of the moon"]));
    assert!(of("all_at_once")["text"].as_str().unwrap().contains("+a line of its own··\n"));
    assert!(of("fails")["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn junit_has_times_reasons_and_outputs() {
    let text = report("IOTESTS_JUNIT", &["outcome/", "references/same"]);
    for part in [
        "<testsuites name=\"iotests\" tests=\"14\" skipped=\"4\" failures=\"3\" errors=\"4\" time=\"",
        "<testsuite name=\"outcome\" tests=\"13\"",
        "file=\"cases/outcome.rs\"",
        "<testcase name=\"outcome/passes::raw\" classname=\"outcome\" time=\"",
        "<skipped message=\"no such moon today\"/>",
        "<skipped message=\"a bug that is known\" type=\"known failure\">cases/outcome.rs:16: not true: the known bug \
         is gone</skipped>",
        "<system-out>[case not run] the other half of the moon</system-out>",
        "+a line of its own··",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Runs a trial as nextest does.
fn in_its_own_process(project: &Project, id: &str, trial: &str) -> std::process::Child {
    let mut command = project.command(["--exact", trial, "--nocapture"]);
    command.env("NEXTEST_RUN_ID", id).stdout(Stdio::null()).stderr(Stdio::null());
    for (variable, report) in [("IOTESTS_LOG", "log"), ("IOTESTS_TAP", "tap"), ("IOTESTS_JUNIT", "junit")] {
        command.env(variable, project.root().join(report));
    }
    command.spawn().unwrap()
}

#[test]
fn processes_of_one_run_write_one_report() {
    let project = Project::new();
    let read = |name: &str| fs::read_to_string(project.root().join(name)).unwrap();
    let run = |id: &str, trials: &[&str]| {
        let runs: Vec<_> = trials.iter().map(|trial| in_its_own_process(&project, id, trial)).collect();
        runs.into_iter().for_each(|mut run| _ = run.wait().unwrap());
    };
    run("first", &["references/same::raw"]);
    run(
        "second",
        &["references/missing::raw", "outcome/passes::raw", "outcome/fails::raw", "outcome/in_part::raw"],
    );
    let titles = |tap: &str| {
        let lines = tap.lines().filter(|line| !line.is_empty() && !line.starts_with(' '));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        titles(&read("tap")),
        [
            "TAP version 14",
            "1..4",
            "not ok 1 - outcome/fails::raw",
            "ok 2 - outcome/in_part::raw",
            "ok 3 - outcome/passes::raw",
            "not ok 4 - references/missing::raw",
        ]
    );
    assert_eq!(read("log").lines().count(), 4);
    assert!(read("junit").contains("<testsuites name=\"iotests\" tests=\"4\" skipped=\"0\" failures=\"2\""));
    // A trial that is repeated takes the place of what it was.
    fs::write(project.reference("references/missing.out"), "nobody wrote this down").unwrap();
    run("second", &["references/missing::raw"]);
    assert_eq!(titles(&read("tap"))[5], "ok 4 - references/missing::raw");
    assert_eq!(read("log").lines().count(), 4);
    // Without whole names it is no process of nextest's, though something above it may be.
    let mut command = project.command(["references/same"]);
    project.finish(command.env("NEXTEST_RUN_ID", "second").env("IOTESTS_TAP", project.root().join("tap")));
    assert_eq!(titles(&read("tap")), ["TAP version 14", "1..1", "ok 1 - references/same::raw"]);
}

#[test]
fn what_was_not_run_is_noted_where_tools_look_for_it() {
    let project = Project::new();
    let dir = project.root().join("out");
    let run = |names: &[&str]| project.run_with(names, &[("OUTPUT_DIR", dir.to_str().unwrap())]);
    run(&["outcome/"]);
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("outcome/skips.raw.notrun"), "no such moon today\n");
    assert_eq!(read("outcome/for_others.raw.notrun"), "not suitable for this OS: linux\n");
    assert_eq!(read("outcome/in_part.raw.casenotrun"), "    [case not run] the other half of the moon\n");
    assert_eq!(fs::read_dir(dir.join("outcome")).unwrap().count(), 5);
    fs::rename(dir.join("outcome/skips.raw.notrun"), dir.join("outcome/passes.raw.notrun")).unwrap();
    run(&["outcome/passes"]);
    assert!(!dir.join("outcome/passes.raw.notrun").exists(), "that of an earlier run");
    // Each trial has files of its own, also where names differ in a `/` and a `-` alone.
    for (dir, case, program) in [("a-b", "c", "moon1"), ("a", "b-c", "moon2")] {
        let dir = project.root().join("cases").join(dir);
        fs::create_dir(&dir).unwrap();
        let text = format!("requires: program={program}\nquiet log hush\n");
        fs::write(dir.join(format!("{case}.case")), text).unwrap();
    }
    run(&["a-b/c", "a/b-c"]);
    for (name, program) in [("a-b/c.raw.notrun", "moon1"), ("a/b-c.raw.notrun", "moon2")] {
        assert!(read(name).contains(program), "{name}: {}", read(name));
    }
}
