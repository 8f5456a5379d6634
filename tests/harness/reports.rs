//! Reports in files, for other programs.

use std::fs;

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
    let names = ["references/s", "outcome/s", "outcome/known", "outcome/fails", "time/waits"];
    let rule = "-".repeat(70);
    let text = report("IOTESTS_UNITTEST", &names);
    assert!(text.starts_with("Fx.E...E\n======="), "{text}");
    assert!(text.contains(&format!("\nFAIL: fails::raw (outcome)\n{rule}\ncases/outcome.rs:")), "{text}");
    assert!(text.contains(&format!("\nERROR: waits::raw (time)\n{rule}\ncases/time.rs:")), "{text}");
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
    assert!(text.contains("\n  not_run:\n    - \"the other half of the moon\"\n  ...\n"), "{text}");
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
        "<skipped message=\"a bug that is known\" type=\"known failure\"/>",
        "<system-out>[case not run] the other half of the moon</system-out>",
        "+a line of its own··",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_was_not_run_is_noted_where_tools_look_for_it() {
    let project = Project::new();
    let dir = project.root().join("out");
    let run = |names: &[&str]| project.run_with(names, &[("OUTPUT_DIR", dir.to_str().unwrap())]);
    run(&["outcome/"]);
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("outcome-skips.raw.notrun"), "no such moon today\n");
    assert_eq!(read("outcome-for_others.raw.notrun"), "not suitable for this OS: linux\n");
    assert_eq!(read("outcome-in_part.raw.casenotrun"), "    [case not run] the other half of the moon\n");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 5);
    fs::rename(dir.join("outcome-skips.raw.notrun"), dir.join("outcome-passes.raw.notrun")).unwrap();
    run(&["outcome/passes"]);
    assert!(!dir.join("outcome-passes.raw.notrun").exists(), "that of an earlier run");
}
