//! Mistakes that are found before anything runs.

use std::fs;

use crate::project::Project;

#[test]
fn all_bad_variables_are_reported_at_once() {
    let project = Project::new();
    let ran = project.run_with(
        &[],
        &[
            ("IOTESTS_BLESS", "yes"),
            ("IOTESTS_TIMEOUT_SCALE", "-1"),
            ("IOTESTS_GRUOPS", "quick"),
            ("CACHEMODE", "sometimes"),
        ],
    );
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("bad_variables");
}

#[test]
fn a_misspelt_format_is_reported() {
    let project = Project::new();
    let ran = project.run_with(&["--list"], &[("IMGFMT", "qcwo2,raw"), ("IMGPROTO", "pigeon")]);
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("bad_format");
}

#[test]
fn bad_declarations_name_their_file() {
    let project = Project::new();
    let ran = project.run_with(&["outcome/passes"], &[("DOWNSTREAM_MISTAKE", "declarations")]);
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("bad_declarations");
}

#[test]
fn a_group_that_nothing_is_in_is_reported() {
    let project = Project::new();
    let ran = project.run_with(&[], &[("IOTESTS_GROUPS", "quikc,!slow")]);
    assert_eq!(ran.status.code(), Some(2));
    ran.matches("unknown_group");
}

#[test]
fn bad_numbers_of_threads_are_reported() {
    let project = Project::new();
    let ran = project.finish(&mut project.command(["--test-threads=0"]));
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("--test-threads is 0"), "{}", ran.stderr);
    let ran = project.finish(project.command(["outcome/passes"]).env("RUST_TEST_THREADS", "many"));
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("RUST_TEST_THREADS is \"many\""), "{}", ran.stderr);
}

#[test]
fn files_that_cannot_be_are_reported() {
    let project = Project::new();
    fs::write(project.root().join("file"), "").unwrap();
    let file = project.root().join("file/below");
    let ran = project.finish(project.command(["outcome/passes"]).env("TEST_DIR", file));
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("TEST_DIR is \"ROOT/file/below\": expected a directory"), "{}", ran.stderr);
    let ran = project.run(&["outcome/passes", "--logfile", "file/below"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("failed to create the log file file/below"), "{}", ran.stderr);
}

#[test]
fn a_script_that_is_no_text_is_reported_with_the_place() {
    let project = Project::new();
    fs::create_dir_all(project.root().join("cases/bad")).unwrap();
    fs::write(project.root().join("cases/bad/bytes.case"), b"files: disk\nlog 'a\xc3\xa4\xe4'\n").unwrap();
    let ran = project.run(&["outcome/passes"]);
    assert_eq!(ran.status.code(), Some(2));
    let reported = "iotests: cases/bad/bytes.case:2:8: this is not UTF-8: save the file as UTF-8\n";
    assert!(ran.stderr.contains(reported), "{}", ran.stderr);
}
