//! Script cases, as a project of its own has them: found, edited and run without a compiler.

use std::fs;

use crate::project::Project;

/// A project with these script cases.
fn project(cases: &[(&str, &str)]) -> Project {
    let project = Project::new();
    // The references of its compiled cases are none of these.
    fs::remove_dir_all(project.root().join("reference")).unwrap();
    for (path, text) in cases {
        write(&project, path, text);
    }
    project
}

fn write(project: &Project, path: &str, text: &str) {
    let file = project.root().join("cases").join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn a_script_is_one_test_named_after_its_file() {
    let project = project(&[
        ("topic/one.case", "formats: raw qcow2\nlog hello\n"),
        ("topic/sized.case", "params: size=1M,2M\nlog $size\n"),
    ]);
    let listed = project.run(&["--list", "topic/"]);
    let names = [
        "topic/one::qcow2: test",
        "topic/one::raw: test",
        "topic/sized/size=1M::raw: test",
        "topic/sized/size=2M::raw: test",
    ];
    for name in names {
        assert!(listed.stdout.contains(name), "{}", listed.stdout);
    }
    let blessed = project.run_with(&["topic/one"], &[("IOTESTS_BLESS", "1")]);
    assert!(blessed.status.success(), "{}", blessed.stdout);
    assert_eq!(fs::read_to_string(project.reference("topic/one.out")).unwrap(), "> log hello\nhello\n");
    assert_eq!(project.run(&["topic/one"]).results(), ["topic/one::raw: ok", "topic/one::qcow2: ok"]);
    // Read anew by the next run.
    write(&project, "topic/one.case", "formats: raw\nlog good bye\n");
    let ran = project.run(&["--exact", "topic/one::raw"]);
    assert_eq!(ran.results(), ["topic/one::raw: FAILED"]);
    assert!(ran.stdout.contains("-> log hello\n-hello\n+> log good bye\n+good bye"), "{}", ran.stdout);
}

#[test]
fn a_failure_shows_the_script() {
    let project = project(&[(
        "topic/fails.case",
        "# It fails.\n\n== first ==\nlog one\n== second ==\nqemu-img info /nowhere/disk\nlog two\n",
    )]);
    project.run(&["topic/fails"]).matches("script_failure");
}

#[test]
fn mistakes_in_scripts_are_reported_before_anything_runs() {
    let project = project(&[
        ("topic/one.case", "qemu-imgg info x\nlog $y\n"),
        ("topic/two.case", "formats: qcow3\nvm lunch\n"),
        ("topic/sound.case", "log x\n"),
    ]);
    project.run(&["topic/sound"]).matches("script_mistakes");
    // One that is asked for by its whole name does not look at others.
    assert_eq!(project.run(&["--exact", "topic/sound::raw"]).results(), ["topic/sound::raw: FAILED"]);
    let ran = project.run(&["--exact", "topic/two::raw"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("did you mean \"launch\"?"), "{}", ran.stderr);
}

#[test]
fn a_new_script_is_written_on_demand() {
    let project = project(&[]);
    let new = project.run_with(&[], &[("IOTESTS_NEW", "fresh/first")]);
    assert!(new.status.success(), "{}", new.stderr);
    assert!(new.stderr.starts_with("wrote cases/fresh/first.case: edit it"), "{}", new.stderr);
    let blessed = project.run_with(&["fresh/first"], &[("IOTESTS_BLESS", "1")]);
    assert!(blessed.status.success(), "{}", blessed.stdout);
    assert_eq!(project.run(&["fresh/first"]).results(), ["fresh/first::qcow2: ok"]);
    let again = project.run_with(&[], &[("IOTESTS_NEW", "fresh/first")]);
    assert_eq!(again.status.code(), Some(2));
    assert!(again.stderr.contains("cases/fresh/first.case is there already"), "{}", again.stderr);
}

#[test]
fn a_path_cannot_lead_out_of_the_cases() {
    let project = project(&[("topic/one.case", "log hello\n")]);
    fs::write(project.root().join("outside.case"), "log outside\n").unwrap();
    let ran = project.run(&["--exact", "../outside::raw"]);
    assert_eq!(ran.results(), Vec::<String>::new());
}

#[test]
fn a_known_failure_that_passes_names_the_line_to_remove() {
    // One that fails has no reference, so that what it logs is compared with nothing.
    for command in ["quiet qemu-img --version", "log it works"] {
        let text = format!("# It works.\nknown-failure: a bug that was known\n\n{command}\n");
        let project = project(&[("topic/mended.case", &text)]);
        let ran = project.run(&["topic/mended"]);
        let reported = "passed, though it is declared to fail: a bug that was known\n\
                    what to do: remove `known-failure:` from cases/topic/mended.case:2\n";
        assert!(ran.stdout.contains(reported), "{}", ran.stdout);
        assert!(!ran.stdout.contains("there is no reference"), "{}", ran.stdout);
    }
}

#[test]
fn a_hang_is_not_the_failure_that_is_known() {
    let text = "known-failure: a bug that is known\ntimeout: 2s\n\nvm launch\nevent NO_SUCH_EVENT\n";
    let ran = project(&[("topic/hangs.case", text)]).run(&["topic/hangs"]);
    assert_eq!(ran.results(), ["topic/hangs::raw: FAILED"], "{}", ran.stdout);
    assert!(ran.stdout.contains(": timed out after TIME waiting"), "{}", ran.stdout);
}

#[test]
fn a_failure_that_is_known_now_leaves_no_files() {
    let project = project(&[]);
    let run = |header: &str| {
        write(&project, "topic/later.case", &format!("{header}qemu-img info /no/such/image\n"));
        project.run(&["topic/later"]).results()
    };
    assert_eq!(run(""), ["topic/later::raw: FAILED"]);
    let kept = project.kept("failed", "topic/later.raw");
    assert!(kept.exists());
    assert_eq!(run("known-failure: there is none\n"), ["topic/later::raw: ok"]);
    assert!(!kept.exists());
}

#[test]
fn a_known_failure_may_log_before_it_fails() {
    let text = "known-failure: a bug that is known\n\nlog first\nqemu-img info /nowhere/disk\n";
    let ran = project(&[("topic/broken.case", text)]).run(&["topic/broken"]);
    assert!(ran.status.success(), "{}", ran.stdout);
}

#[test]
fn a_reference_that_a_known_failure_does_not_keep_to_is_not_blessed() {
    let project = project(&[("topic/broken.case", "known-failure: a bug that is known\n\nlog wrong\n")]);
    let reference = project.root().join("reference/topic/broken.out");
    fs::create_dir_all(reference.parent().unwrap()).unwrap();
    fs::write(&reference, "right\n").unwrap();
    let ran = project.run_with(&["topic/broken"], &[("IOTESTS_BLESS", "1")]);
    assert!(ran.status.success(), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(reference).unwrap(), "right\n");
}
