//! References: compared, missing, stale, and written anew.

use std::fs;

use crate::project::Project;

#[test]
fn each_way_to_disagree_is_reported() {
    let project = Project::new();
    let ran = project.run(&["references/"]);
    assert_eq!(ran.status.code(), Some(101));
    ran.matches("references");
}

#[test]
fn blessing_writes_the_reference_that_is_there_and_passes() {
    let project = Project::new();
    fs::write(project.reference("references/varies.qcow2.out"), "").unwrap();
    let names = ["references/differs", "references/missing", "references/varies", "references/same"];
    let ran = project.run_with(&names, &[("IOTESTS_BLESS", "1")]);
    assert!(ran.status.success(), "{}", ran.stdout);
    ran.matches("bless");
    let read = |name| fs::read_to_string(project.reference(name)).unwrap();
    assert_eq!(read("references/differs.out"), "one\ntwo\t \n3\nfour\n");
    assert_eq!(read("references/missing.out"), "nobody wrote this down\n");
    assert_eq!(read("references/varies.qcow2.out"), "format qcow2\n");
    assert_eq!(read("references/varies.out"), "format raw\n");
    assert_eq!(read("references/same.out"), "as it was\n  indented\n", "what says the same is left alone");
    assert!(project.run(&names).status.success());
}

#[test]
fn nothing_that_went_wrong_is_blessed() {
    let project = Project::new();
    let before = fs::read_to_string(project.reference("outcome/all_at_once.out")).unwrap();
    let names = [
        "references/broken_off",
        "outcome/all_at_once",
        "outcome/panics",
        "references/unexpected",
        "time/loops",
    ];
    let ran = project.run_with(&names, &[("IOTESTS_BLESS", "1")]);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results().iter().filter(|line| line.ends_with("FAILED")).count(), names.len());
    // Of the one that logged nothing there is nothing to write.
    assert_eq!(ran.stdout.matches("not blessed: only a trial that runs to its end").count(), names.len() - 1);
    assert_eq!(fs::read_to_string(project.reference("outcome/all_at_once.out")).unwrap(), before);
    assert_eq!(
        fs::read_to_string(project.reference("references/broken_off.out")).unwrap(),
        "so far\nand further\n"
    );
}

#[test]
fn two_trials_do_not_bless_one_reference_differently() {
    let project = Project::new();
    fs::remove_file(project.reference("references/varies.qcow2.out")).unwrap();
    fs::remove_file(project.reference("references/varies.out")).unwrap();
    let ran = project.run_with(&["references/varies"], &[("IOTESTS_BLESS", "1")]);
    assert_eq!(ran.results(), ["references/varies::raw: ok", "references/varies::qcow2: FAILED"]);
    let reported =
        "varies.out is what references/varies::raw logged in this run, and references/varies::qcow2 logged";
    assert!(ran.stdout.contains(reported), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(project.reference("references/varies.out")).unwrap(), "format raw\n");
}

#[test]
fn where_a_parameter_makes_a_difference_its_own_reference_is_proposed() {
    let project = Project::new();
    for name in ["references/sized.out", "references/sized/1G.out", "references/sized/1M.out"] {
        let _ = fs::remove_file(project.reference(name));
    }
    let bless = || project.run_with(&["references/sized"], &[("IOTESTS_BLESS", "1")]);
    let ran = bless();
    assert_eq!(ran.results(), ["references/sized/1M::raw: ok", "references/sized/1G::raw: FAILED"]);
    let proposed = "such as ROOT/reference/references/sized/1G.out, and bless again";
    assert!(ran.stdout.contains(proposed), "{}", ran.stdout);
    let own = project.reference("references/sized/1G.out");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "").unwrap();
    assert!(bless().status.success());
    assert_eq!(fs::read_to_string(own).unwrap(), "size 1G\n");
}

/// What becomes of a reference that two formats share, and of which it says what `first` logs.
fn bless_shared(first: &str, bless: impl Fn(&Project) -> Vec<String>) -> (Vec<String>, String) {
    let project = Project::new();
    fs::remove_file(project.reference("references/varies.qcow2.out")).unwrap();
    let shared = project.reference("references/varies.out");
    fs::write(&shared, format!("format {first}\n")).unwrap();
    (bless(&project), fs::read_to_string(shared).unwrap())
}

#[test]
fn what_one_trial_agrees_with_no_other_makes_say_something_else() {
    let bless =
        |project: &Project| project.run_with(&["references/varies"], &[("IOTESTS_BLESS", "1")]).results();
    // The trial of raw runs first: it agrees, or else writes what qcow2's meant.
    let (raw, qcow2) = ("references/varies::raw: ok", "references/varies::qcow2: FAILED");
    assert_eq!(
        bless_shared("raw", bless),
        (vec![raw.to_owned(), qcow2.to_owned()], "format raw\n".to_owned())
    );
    assert_eq!(
        bless_shared("qcow2", bless),
        (vec![raw.to_owned(), qcow2.to_owned()], "format raw\n".to_owned())
    );
}

#[test]
fn processes_of_one_run_do_not_bless_one_reference_differently() {
    for first in ["raw", "qcow2"] {
        let bless = |project: &Project| {
            let names = ["references/varies::raw", "references/varies::qcow2"];
            let alone = |name: &&str, id| {
                let variables = [("IOTESTS_BLESS", "1"), ("NEXTEST_RUN_ID", id)];
                project.run_with(&["--exact", name], &variables).results().concat()
            };
            let results = names.iter().map(|name| alone(name, "one")).collect();
            // In a run of its own, each may.
            assert_eq!(alone(&names[1], "two"), "references/varies::qcow2: ok");
            assert_eq!(alone(&names[0], "three"), "references/varies::raw: ok");
            results
        };
        let (results, text) = bless_shared(first, bless);
        assert_eq!(results, ["references/varies::raw: ok", "references/varies::qcow2: FAILED"]);
        assert_eq!(text, "format raw\n");
    }
}

#[test]
fn nothing_is_blessed_where_nobody_reads_it() {
    let project = Project::new();
    let ran = project.run_with(&["references/missing"], &[("IOTESTS_BLESS", "1"), ("CI", "true")]);
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("bless_in_ci");
    assert!(!project.reference("references/missing.out").exists());
}

#[test]
fn a_reference_may_hold_for_some_versions_only() {
    let project = Project::new();
    fs::write(project.reference("references/same@lt-6.0.out"), "of old\n").unwrap();
    fs::write(project.reference("references/same.out"), "of no version\n").unwrap();
    assert_eq!(project.run(&["references/same"]).results(), ["references/same::raw: FAILED"]);
    fs::write(project.reference("references/same@ge-6.0.out"), "as it was\n  indented\n").unwrap();
    assert_eq!(project.run(&["references/same"]).results(), ["references/same::raw: ok"]);
}

#[test]
fn without_a_cache_another_reference_may_hold() {
    let project = Project::new();
    fs::write(project.reference("references/same.nocache.out"), "uncached\n").unwrap();
    let none = [("CACHEMODE", "none")];
    assert_eq!(project.run_with(&["references/same"], &none).results(), ["references/same::raw: FAILED"]);
    assert_eq!(project.run(&["references/same"]).results(), ["references/same::raw: ok"]);
}

#[test]
fn a_stale_reference_is_a_mistake() {
    let project = Project::new();
    for name in [
        "references/gone.out",
        "references/same.qcow2.out",
        "references/varies.qcwo2.out",
        "references/same@8.out",
        "references/same@<6.0.out",
    ] {
        fs::write(project.reference(name), "what was said once\n").unwrap();
    }
    let ran = project.run(&["outcome/passes"]);
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("stale");
}
