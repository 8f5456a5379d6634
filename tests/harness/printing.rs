//! Output that nobody reads to its end: trials and reports do not depend on it.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::project::Project;

/// A pipe whose reader has gone, as that of `head`.
fn closed_pipe() -> Stdio {
    let (_, write) = std::io::pipe().unwrap();
    write.into()
}

/// A file on a disk that is full.
fn full_disk() -> Stdio {
    File::create("/dev/full").unwrap().into()
}

#[test]
fn reports_are_whole_whatever_becomes_of_stdout() {
    for (is_full, why) in
        [(false, "Broken pipe (os error 32)"), (true, "No space left on device (os error 28)")]
    {
        let stdout = || if is_full { full_disk() } else { closed_pipe() };
        for threads in ["1", "2"] {
            let project = Project::new();
            let log = project.root().join("log");
            let mut command = project.command(["outcome/", "--test-threads", threads]);
            let ran = project.finish(command.stdout(stdout()).env("IOTESTS_LOG", &log));
            assert_eq!(ran.status.code(), Some(101));
            assert!(
                ran.stderr.contains(&format!("iotests: failed to write to stdout: {why}\n")),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("\nRan 13 tests in TIME\n"), "{}", ran.stderr);
            assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 13, "with {threads} threads");
            let left = fs::read_dir(project.scratch()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut left: Vec<_> = left.collect();
            left.sort();
            assert_eq!(left, ["failed", "history.lock", "history.txt"]);
        }
    }
}

#[test]
fn one_report_does_not_depend_on_another() {
    let project = Project::new();
    let [tap, log] = ["tap", "log"].map(|name| project.root().join(name));
    fs::create_dir(&tap).unwrap();
    let mut command = project.command(["outcome/passes"]);
    let ran = project.finish(command.env("IOTESTS_TAP", &tap).env("IOTESTS_LOG", &log));
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"]);
    assert_eq!(ran.status.code(), Some(101));
    assert!(ran.stderr.contains("iotests: failed to write ROOT/tap: "), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 1);
}

#[test]
fn nor_on_stderr() {
    let project = Project::new();
    let tap = project.root().join("tap");
    let mut command = project.command(["references/missing"]);
    command.env("IOTESTS_BLESS", "1").env("IOTESTS_TAP", &tap);
    let ran = project.finish(command.stdout(closed_pipe()).stderr(closed_pipe()));
    assert_eq!(ran.status.code(), Some(101), "how it went could not be printed");
    assert_eq!(fs::read_to_string(tap).unwrap().lines().nth(2), Some("ok 1 - references/missing::raw"));
    assert!(project.reference("references/missing.out").exists());
}

#[test]
fn a_listing_that_is_cut_off_is_no_crash() {
    let project = Project::new();
    for (args, variable) in [(&["--list"][..], None), (&[], Some(("IOTESTS_LIST", "groups")))] {
        let ran = project.finish(project.command(args).envs(variable).stdout(closed_pipe()));
        assert_eq!(ran.status.code(), Some(101));
        assert_eq!(ran.stderr, "iotests: failed to write to stdout: Broken pipe (os error 32)\n");
    }
}

#[test]
fn a_limit_of_file_sizes_is_as_a_full_disk() {
    let project = Project::new();
    let [log, out] = ["log", "out"].map(|name| project.root().join(name));
    fs::write(&out, vec![b'x'; 256 << 10]).unwrap();
    let plain = project.command(["outcome/", "--test-threads=1"]);
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", "ulimit -f 256 && exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env_clear().current_dir(project.root()).stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("IOTESTS_LOG", &log);
    command.stdout(File::options().append(true).open(&out).unwrap());
    let ran = project.finish(&mut command);
    assert_eq!(ran.status.code(), Some(101), "{:?}", ran.status);
    let why = "iotests: failed to write to stdout: File too large (os error 27)\n";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nRan 13 tests in TIME\n"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 13);
}
