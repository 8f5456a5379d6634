//! What is listed and what is run.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::script::script;
use crate::suite::{Suite, binary};
use crate::target::Ran;

pub(crate) fn without_a_suite_it_says_how_to_get_one_and_passes() {
    let suite = Suite::new();
    let ran = Ran::of(suite.command(["--test-threads=1"]).env_remove("IOTESTS_SUITE"));
    assert!(ran.status.success());
    ran.says("running 0 tests").notes("apt-get source qemu").notes("qemu-tests").notes("git clone");
    let ran = Ran::of(suite.command(["001"]).env_remove("IOTESTS_SUITE"));
    assert!(!ran.stderr.contains("no trial"), "{}", ran.stderr);
}

pub(crate) fn a_directory_that_is_no_suite_is_an_error() {
    let suite = Suite::new();
    let ran = Ran::of(suite.command(["--list"]).env("IOTESTS_SUITE", suite.root().join("tests")));
    assert!(!ran.status.success());
    ran.notes("IOTESTS_SUITE").notes("testenv.py").notes("what to do");
}

pub(crate) fn a_suite_at_a_path_that_cannot_be_printed_is_an_error() {
    let suite = Suite::new();
    let odd = suite.scratch().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir_all(suite.scratch()).unwrap();
    fs::rename(suite.root(), &odd).unwrap();
    let ran = Ran::of(suite.command(["--list"]).env("IOTESTS_SUITE", odd));
    assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", ran.stdout);
    ran.notes("IOTESTS_SUITE").notes("UTF-8");
}

pub(crate) fn the_format_is_not_for_options_to_name() {
    let suite = Suite::new();
    let ran = suite.run(&["--exact", "001::raw"], &[("QEMU_IO_OPTIONS", "--misalign -f qcow2")]);
    assert!(!ran.status.success() && ran.results().is_empty(), "{}", ran.stdout);
    ran.notes("QEMU_IO_OPTIONS").notes("without a format");
}

pub(crate) fn a_reference_of_the_project_is_not_for_the_suite() {
    let suite = Suite::new();
    let project = suite.scratch().join("project");
    fs::create_dir_all(project.join("reference")).unwrap();
    fs::write(project.join("reference/001.out"), "what a case of this name logs\n").unwrap();
    let ran = Ran::of(suite.command(["--exact", "001::raw"]).env("CARGO_MANIFEST_DIR", &project));
    assert_eq!(ran.results(), ["001::raw: ok"], "{}", ran.stdout);
}

pub(crate) fn the_source_tree_stands_for_its_suite() {
    let suite = Suite::new();
    let tree = suite.root().join("../..");
    let ran = Ran::of(suite.command(["--exact", "001::raw"]).env("IOTESTS_SUITE", tree));
    assert_eq!(ran.results(), ["001::raw: ok"]);
}

pub(crate) fn nextest_sees_what_runs_and_what_is_skipped() {
    let suite = Suite::new();
    let all = suite.run(&["--list", "--format", "terse"], &[]);
    assert_eq!(all.stderr, "");
    let count = |format: &str| all.stdout.lines().filter(|line| line.ends_with(format)).count();
    assert_eq!((count("::raw: test"), count("::qcow2: test")), (21, 21), "{}", all.stdout);
    let ignored = suite.run(&["--list", "--format", "terse", "--ignored"], &[]);
    let expected =
        ["012::raw: test", "016::raw: test", "018::raw: test", "012::qcow2: test", "013::qcow2: test"];
    assert_eq!(ignored.stdout.lines().collect::<Vec<_>>(), expected);
}

pub(crate) fn listing_starts_nothing() {
    let suite = Suite::new();
    let nothing = suite.scratch().join("nothing");
    let mut command = suite.command(["--list", "--format", "terse"]);
    // What would be started could not be: there is no such program.
    for variable in ["QEMU_PROG", "QEMU_IMG_PROG", "QEMU_IO_PROG", "QEMU_NBD_PROG", "QSD_PROG", "PYTHON"] {
        command.env(variable, &nothing);
    }
    let ran = Ran::of(&mut command);
    assert!(ran.status.success(), "{}", ran.stderr);
    ran.says("tests/named::qcow2: test");
}

pub(crate) fn listing_asks_qemu_once_where_its_accelerators_decide() {
    let suite = Suite::new();
    suite.replace("021", "clock_step block_set_io_throttle");
    suite.replace("020", "clock_step block_set_io_throttle");
    let qemu =
        std::env::var("QEMU_PROG").unwrap_or_else(|_| format!("qemu-system-{}", std::env::consts::ARCH));
    let starts = suite.root().join("starts");
    let text = format!("echo start >>'{}'\nexec {qemu} \"$@\"", starts.display());
    let counting = script(&suite.root(), "counting", &text);
    let list = |more: &[&str]| {
        let all: Vec<_> = ["--list", "--format", "terse"].iter().chain(more).copied().collect();
        let ran = suite.run(&all, &[("QEMU_PROG", counting.to_str().unwrap())]);
        assert_eq!(ran.stderr, "");
        ran.stdout
    };
    assert!(list(&[]).contains("021::raw: test"));
    let ignored = list(&["--ignored"]);
    assert_eq!(ignored.contains("020::raw: test"), ignored.contains("021::qcow2: test"));
    // For the list of its objects, and for an interview.
    assert_eq!(fs::read_to_string(starts).unwrap(), "start\n".repeat(2));
}

pub(crate) fn groups_choose() {
    let suite = Suite::new();
    let listed = |groups: &str| {
        let ran =
            suite.run(&["--list", "--format", "terse"], &[("IOTESTS_GROUPS", groups), ("IMGFMT", "raw")]);
        (ran.stdout.replace("::raw: test", "").replace('\n', " "), ran.stderr)
    };
    assert_eq!(listed("quick").0, "001 002 013 014 017 019 ");
    assert_eq!(listed("quick,!rw").0, "019 ");
    assert_eq!(listed("disabled").0, "011 ");
    let reported = listed("qick").1;
    assert!(reported.contains("\"qick\"") && reported.contains("did you mean \"quick\"?"), "{reported}");
    fs::write(suite.file("group.local"), "# mine\n1 own\nnamed own\n").unwrap();
    assert_eq!(listed("own").0, "001 tests/named ");
    // nextest then asks for each by its name.
    let ran = suite.run(&["--exact", "001::raw"], &[("IOTESTS_GROUPS", "own")]);
    assert_eq!(ran.results(), ["001::raw: ok"], "{}", ran.stderr);
    fs::write(suite.file("group.local"), "17 own\n99 own\n").unwrap();
    assert!(listed("own").1.contains("group.local:2:1"), "{:?}", listed("own"));
}

pub(crate) fn groups_can_be_listed() {
    let suite = Suite::new();
    let ran = suite.run(&[], &[("IOTESTS_LIST", "groups")]);
    assert!(ran.stdout.starts_with("001 # group: rw quick\n"), "{}", ran.stdout);
    ran.says("tests/named # group: rw fresh\n");
}

pub(crate) fn what_is_remembered_of_one_suite_is_not_taken_for_another() {
    let (suite, other) = (Suite::new(), Suite::new());
    suite.run(&["--exact", "002::raw"], &[]);
    let failed = |of: &Suite| {
        suite.run(&[], &[("IOTESTS_RERUN", "failed"), ("IOTESTS_SUITE", of.root().to_str().unwrap())])
    };
    assert_eq!(failed(&other).results(), Vec::<String>::new());
    assert_eq!(failed(&suite).results(), ["002::raw: FAILED"]);
}

pub(crate) fn what_one_suite_left_stays_when_another_passes() {
    let (suite, other) = (Suite::new(), Suite::new());
    fs::copy(other.file("001.out"), other.file("002.out")).unwrap();
    fs::copy(other.file("001"), other.file("002")).unwrap();
    suite.run(&["--exact", "002::raw"], &[]);
    let ran = suite.run(&["--exact", "002::raw"], &[("IOTESTS_SUITE", other.root().to_str().unwrap())]);
    assert_eq!(ran.results(), ["002::raw: ok"], "{}", ran.stdout);
    assert!(suite.kept("002.raw").join("002.out.bad").exists());
}

pub(crate) fn what_is_left_of_a_test_goes_with_it() {
    let suite = Suite::new();
    suite.run(&["002::raw"], &[]);
    let remembers =
        || fs::read_to_string(suite.scratch().join("history.txt")).unwrap().contains(" 002::raw\n");
    // A run of one trial looks at no other test.
    fs::rename(suite.file("002"), suite.file("102")).unwrap();
    suite.run(&["--exact", "001::raw"], &[]);
    assert!(remembers() && suite.kept("002.raw").exists());
    suite.run(&["001::raw"], &[]);
    assert!(!remembers() && !suite.kept("002.raw").exists());
}

pub(crate) fn one_trial_is_found_without_a_look_at_the_others() {
    let suite = Suite::new();
    // A look at all tests would find this mistake.
    fs::write(suite.file("group.local"), "nonesuch own\n").unwrap();
    let ran = suite.run(&["--exact", "tests/named::qcow2"], &[]);
    assert_eq!(ran.results(), ["tests/named::qcow2: ok"], "{}", ran.stderr);
    // Named like this, a test runs though its group is disabled.
    assert_eq!(suite.run(&["--exact", "011::raw"], &[]).results(), ["011::raw: ok"]);
    for none in ["1::raw", "named::raw", "001::raw::file", "001::nonesuch::", "testenv.py::raw"] {
        let ran = suite.run(&["--exact", none], &[]);
        assert_eq!(ran.results(), Vec::<String>::new(), "{none}");
    }
}

pub(crate) fn a_name_that_is_given_twice_is_one_trial() {
    let suite = Suite::new();
    let twice = suite.run(&["--exact", "001::raw", "001::raw", "tests/named::raw"], &[]);
    assert_eq!(twice.results(), ["001::raw: ok", "tests/named::raw: ok"], "{}", twice.stderr);
}

pub(crate) fn another_version_of_the_binaries_is_mentioned() {
    let suite = Suite::new();
    fs::write(suite.root().join("../../VERSION"), "0.9.1\n").unwrap();
    suite.run(&["--exact", "001::raw"], &[]).notes("the suite is that of QEMU 0.9.1");
}

pub(crate) fn the_environment_of_a_test_can_be_had_in_a_shell() {
    let suite = Suite::new();
    let printed = suite.run(&["--exact", "019::qcow2"], &[("IOTESTS_LIST", "environment")]);
    assert!(printed.status.success(), "{}", printed.stderr);
    assert!(!printed.stdout.contains("running"), "{}", printed.stdout);
    let script = format!("{}\n./019 2>&1 | grep -v out.bad", printed.stdout);
    let ran = Ran::of(Command::new("/bin/bash").args(["-c", &script]).stdin(std::process::Stdio::null()));
    let expected = fs::read_to_string(suite.file("019.out.qcow2")).unwrap().replace("019.out.bad\n", "");
    assert_eq!(ran.stdout, expected, "{}", printed.stdout);
    // A named test runs where it is, and one that fits is found without its whole name.
    let printed = suite.run(&["named::raw"], &[("IOTESTS_LIST", "environment")]).stdout;
    let script = format!("{printed}\n./named");
    let ran = Ran::of(Command::new("/bin/bash").args(["-c", &script]).stdin(std::process::Stdio::null()));
    assert_eq!(ran.stdout, fs::read_to_string(suite.file("tests/named.out")).unwrap(), "{printed}");
}

pub(crate) fn no_run_starts_in_the_environment_of_a_test() {
    let suite = Suite::new();
    let printed = suite.run(&["--exact", "019::qcow2"], &[("IOTESTS_LIST", "environment")]).stdout;
    let script = format!("{printed}\nexec \"$0\" --exact 001::raw",);
    let mut shell = suite.command_of("/bin/bash".as_ref(), ["-c", &script]);
    let ran = Ran::of(shell.arg(binary()));
    assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", ran.stdout);
    ran.notes("the trial 019::qcow2").notes("another shell");
    // Nor does one on what stands in for QEMU, where something has to.
    let line = printed.lines().find_map(|line| line.strip_prefix("export QEMU_PROG=")).unwrap();
    if line.contains("/upstream/qemu-") {
        let ran = suite.run(&["--exact", "001::raw"], &[("QEMU_PROG", line)]);
        assert_eq!(ran.results(), ["preflight: FAILED"], "{}", ran.stderr);
        ran.says("QEMU itself");
    }
}

pub(crate) fn a_shell_gets_nothing_to_execute_where_there_is_no_environment() {
    let suite = Suite::new();
    let list = [("IOTESTS_LIST", "environment")];
    let refused = |command: &mut Command, why: &str| {
        let ran = Ran::of(command.envs(list));
        assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", ran.stdout);
        ran.notes(why);
    };
    refused(suite.command(["--exact", "001::raw"]).env_remove("IOTESTS_SUITE"), "apt-get source qemu");
    refused(suite.command(["--exact", "001::raw"]).env("PYTHON", "/nonexistent"), "set PYTHON");
    refused(&mut suite.command(["--exact", "nonesuch::raw"]), "no test chosen");
    refused(&mut suite.command(["001"]), "2 trials chosen");
}
