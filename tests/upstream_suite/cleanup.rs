//! Nothing that a test starts gets away.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use iotests::process::Deadline;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NONBLOCK;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::missing::NAMESPACE;
use crate::suite::{Suite, binary};
use crate::target::{Ran, heeding_signals};

/// How long a run gets for anything that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A pipe through which the tests that have daemons tell their process ids.
struct Told {
    path: PathBuf,
    pipe: File,
}

impl Told {
    fn new(suite: &Suite) -> Self {
        let path = suite.root().join("told");
        mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        // Both ends: so opening does not wait for the other, and reading never ends early.
        let pipe = File::options().read(true).write(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        Self { path, pipe }
    }

    /// Waits for a line of process ids.
    fn pids(&mut self) -> Vec<i32> {
        let mut line = Vec::new();
        let deadline = Deadline::after(LIMIT);
        while !line.ends_with(b"\n") {
            let [readable] = deadline.wait_readable([self.pipe.as_fd()]).unwrap();
            assert!(readable, "the test wrote nothing");
            let mut buffer = [0; 64];
            let count = self.pipe.read(&mut buffer).unwrap();
            line.extend_from_slice(&buffer[..count]);
        }
        let line = String::from_utf8(line).unwrap();
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    /// The same as descriptors that tell the ends of the processes.
    fn processes(&mut self) -> Vec<OwnedFd> {
        self.pids().into_iter().map(open).collect()
    }
}

fn open(pid: i32) -> OwnedFd {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

/// Whether a process ends within this time.
fn ends(process: &OwnedFd, limit: Duration) -> bool {
    let [ended] = Deadline::after(limit).wait_readable([process.as_fd()]).unwrap();
    ended
}

#[track_caller]
fn end(processes: &[OwnedFd]) {
    for process in processes {
        assert!(ends(process, LIMIT), "a process lives on");
    }
}

pub(crate) fn a_test_that_hangs_is_ended_and_reported_with_all_it_started() {
    let suite = Suite::new();
    // What is found out about the programs once is not subject to the short time below.
    suite.run(&["--exact", "001::raw"], &[]);
    // Ten minutes, shortened to three seconds.
    let ran = suite.run(&["--exact", "006::raw"], &[("IOTESTS_TIMEOUT_SCALE", "0.005")]);
    assert_eq!(ran.results(), ["006::raw: FAILED"]);
    ran.says("timed out after 3.0 s").says("before the wait").says("sleep 1000").says("daemon.pid");
    let kept = suite.kept("006.raw").join("daemon.pid");
    let daemon: i32 = std::fs::read_to_string(kept).unwrap().trim().parse().unwrap();
    assert!(kill(Pid::from_raw(daemon), None).is_err(), "the daemon lives on");
}

pub(crate) fn a_time_out_is_reported_however_long_it_takes_to_clean_up() {
    let suite = Suite::new();
    suite.run(&["--exact", "001::raw"], &[]);
    suite.replace("006", "echo $PPID >\"$TELL\"; sleep 1000");
    let mut reported = Told::new(&suite);
    let mut command = suite.command(["--exact", "006::raw"]);
    command.env("TELL", &reported.path).env("IOTESTS_TIMEOUT_SCALE", "0.005");
    let run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // What waits for the test, and will kill it, is slow.
    let supervisor = Pid::from_raw(reported.pids()[0]);
    kill(supervisor, Signal::SIGSTOP).unwrap();
    let gave_up = ends(&open(run.id().cast_signed()), Duration::from_secs(10));
    kill(supervisor, Signal::SIGCONT).unwrap();
    let output = run.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!gave_up && stdout.contains("timed out after 3.0 s; these processes were running"), "{stdout}");
    assert_eq!(stdout.matches("sleep 1000").count(), 1, "{stdout}");
}

pub(crate) fn a_process_left_behind_is_named_and_killed() {
    let suite = Suite::new();
    let mut reported = Told::new(&suite);
    let mut run = suite.command(["--exact", "007::raw"]);
    let run = run.env("TELL", &reported.path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let daemon = reported.processes();
    let output = run.wait_with_output().unwrap();
    end(&daemon);
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("007::raw left a process behind"), "{stderr}");
    assert!(stderr.contains("sleep 1000"), "{stderr}");
}

pub(crate) fn time_spent_waiting_for_others_is_not_the_tests_own() {
    let suite = Suite::new();
    suite.replace("003", "echo same >\"$PWD/mine\"; cat mine; status=0");
    let lock = File::create(suite.root().join("../../../iotests-serial-suite-directory.lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let log = suite.scratch().join("log.json");
    let mut command = suite.command(["--exact", "003::raw"]);
    command.env("IOTESTS_LOG", &log).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    let process = open(run.id().cast_signed());
    assert!(!ends(&process, Duration::from_secs(3)), "it ran while another had the directory");
    let freed = Instant::now();
    drop(lock);
    assert!(run.wait().unwrap().success());
    let since = freed.elapsed().as_secs_f64();
    let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(log).unwrap()).unwrap();
    let seconds = record["seconds"].as_f64().unwrap();
    // However slow the machine is, the test ran after the directory was free.
    assert!(seconds <= since, "{seconds} s, though it had only {since} s to itself");
}

/// Runs a test that leaves something mounted, with its files reached through a link.
fn left_mounted(suite: &Suite, path: &str) -> Ran {
    suite.replace("003", "mkdir $TEST_DIR/on; mount -t tmpfs none $TEST_DIR/on && echo same; status=0");
    let link = suite.root().join("link");
    std::fs::create_dir_all(suite.scratch()).unwrap();
    std::os::unix::fs::symlink(suite.scratch(), &link).unwrap();
    let mut command = suite.command_of("unshare".as_ref(), NAMESPACE);
    command.arg(binary()).args(["--exact", "003::raw", "--test-threads=1"]);
    let ran = Ran::of(command.env("TEST_DIR", link).env("PATH", path));
    assert_eq!(ran.results(), ["003::raw: ok"], "{}", ran.stdout);
    ran
}

pub(crate) fn what_is_left_mounted_is_unmounted() {
    let suite = Suite::new();
    left_mounted(&suite, &std::env::var("PATH").unwrap());
    assert_eq!(suite.run_dirs(), Vec::<PathBuf>::new());
}

pub(crate) fn what_cannot_be_unmounted_is_reported() {
    let suite = Suite::new();
    for program in ["fusermount3", "fusermount", "umount"] {
        let path = suite.root().join("bin").join(program);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/bin/false", path).unwrap();
    }
    let path = format!("{}:{}", suite.root().join("bin").display(), std::env::var("PATH").unwrap());
    let ran = left_mounted(&suite, &path);
    ran.notes("003::raw left ").notes("/on mounted, which could not be unmounted");
}

/// Stops a run while a test hangs in it.
fn stopped_by(signal: Signal, suite: &Suite) {
    let mut reported = Told::new(suite);
    let mut command: Command = suite.command(["--exact", "006::raw"]);
    let mut run = heeding_signals(command.env("TELL", &reported.path)).stdout(Stdio::null()).spawn().unwrap();
    let processes = reported.processes();
    assert_eq!(processes.len(), 2);
    kill(Pid::from_raw(run.id().cast_signed()), signal).unwrap();
    assert!(!run.wait().unwrap().success());
    end(&processes);
}

pub(crate) fn nothing_lives_on_when_the_run_is_killed() {
    let suite = Suite::new();
    stopped_by(Signal::SIGKILL, &suite);
    // What is left of its files goes with the next run.
    suite.run(&["--exact", "001::raw"], &[]);
    assert_eq!(suite.run_dirs(), Vec::<PathBuf>::new());
}

pub(crate) fn nothing_is_left_when_the_run_is_interrupted() {
    let suite = Suite::new();
    stopped_by(Signal::SIGINT, &suite);
    assert_eq!(suite.run_dirs(), Vec::<PathBuf>::new());
}
