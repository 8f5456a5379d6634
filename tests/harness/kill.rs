//! Runs that are stopped in the middle: nothing stays behind.

use std::io::{BufRead, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use iotests::env::{TestEnv, ToolKind};
use iotests::process::{Deadline, Signal};
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::AsFd;

use crate::project::Project;
use crate::target::heeding_signals;

/// A run in the middle of things, and what it has started and made.
pub(crate) struct Busy {
    run: Child,
    stderr: BufReader<ChildStderr>,
    children: Vec<i32>,
    socket: PathBuf,
    scratch: PathBuf,
}

impl Busy {
    /// Starts a trial and waits until all it wants is there.
    pub(crate) fn start(project: &Project, trial: &str) -> Self {
        Self::of(&mut project.command(["--exact", trial]))
    }

    fn of(command: &mut Command) -> Self {
        let mut run = heeding_signals(command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(run.stderr.take().unwrap());
        let line =
            stderr.by_ref().lines().map(Result::unwrap).find(|line| line.starts_with("busy ")).unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let [_, server, vm, socket, scratch] = words[..] else { panic!("{line}") };
        let children = [server, vm].map(|pid| pid.parse().unwrap()).to_vec();
        Self { run, stderr, children, socket: socket.into(), scratch: scratch.into() }
    }

    /// What the run has said on stderr since then, and says until its end.
    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        text
    }

    fn stop(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.run.id().cast_signed()), signal).unwrap();
        self.run.wait().unwrap()
    }

    fn guard(&self) -> i32 {
        guard_of(self.run.id())
    }

    fn children_are_gone(&self) -> bool {
        self.children.iter().all(|pid| gone(*pid))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

/// The shell that cleans up after a run that is killed.
fn guard_of(run: u32) -> i32 {
    let run = run.to_string();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let mut pids = processes.filter_map(|name| name.to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut words = stat.split(' ');
        words.nth(1) == Some("(sh)") && words.nth(1) == Some(&run)
    })
    .unwrap()
}

/// Whether a process ends within the time that the kernel may need for it.
fn gone(pid: i32) -> bool {
    let Ok(pidfd) = pidfd_open(rustix::process::Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let [ended] = Deadline::after(Duration::from_secs(10)).wait_readable([pidfd.as_fd()]).unwrap();
    ended
}

/// The directories of runs in `dir`.
fn runs(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().contains("iotests-run-")).collect()
}

#[test]
fn a_signal_takes_everything_along() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let project = Project::new();
        let mut busy = Busy::start(&project, "running/busy::raw");
        assert!(busy.socket.exists());
        assert!(busy.scratch.exists());
        let status = busy.stop(signal);
        assert_eq!(status.signal(), Some(signal as i32));
        assert!(busy.children_are_gone(), "{signal}");
        assert!(!busy.socket.exists(), "{signal}");
        assert!(runs(&project.scratch()).is_empty(), "{signal}");
        assert!(runs(project.root()).is_empty(), "{signal}");
    }
}

#[test]
fn what_had_run_before_a_signal_is_reported_and_remembered() {
    let project = Project::new();
    let tap = project.root().join("report.tap");
    let args = [
        "--test-threads=1",
        "--exact",
        "references/differs::raw",
        "references/same::raw",
        "running/busy::raw",
    ];
    let mut busy = Busy::of(project.command(args).env("IOTESTS_TAP", &tap));
    assert_eq!(busy.stop(Signal::SIGINT).signal(), Some(Signal::SIGINT as i32));
    let stderr = busy.rest();
    for part in
        ["---- references/differs::raw ----\n", "+++ actual", "iotests: interrupted", "Ran 2 tests in "]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let tap = std::fs::read_to_string(tap).unwrap();
    assert!(tap.ends_with("\nBail out! interrupted\n"), "{tap}");
    assert!(tap.contains("\n1..2\n") && tap.contains("\nnot ok 1 - references/differs::raw\n"), "{tap}");
    let again = project.run_with(&[], &[("IOTESTS_RERUN", "failed")]);
    assert_eq!(again.results(), ["references/differs::raw: FAILED"]);
}

#[test]
fn a_run_that_was_killed_leaves_neither_process_nor_file() {
    let project = Project::new();
    let mut dead = Busy::start(&project, "running/busy::raw");
    let guard = dead.guard();
    assert_eq!(dead.stop(Signal::SIGKILL).signal(), Some(9));
    assert!(dead.children_are_gone());
    assert!(gone(guard));
    assert!(!dead.socket.exists());
    assert!(runs(&project.scratch()).is_empty());
}

#[test]
fn a_run_that_was_killed_with_its_guard_is_swept_by_the_next_and_a_live_one_is_not() {
    let project = Project::new();
    let mut live = Busy::start(&project, "running/busy::raw");
    let mut dead = Busy::start(&project, "running/busy::raw");
    kill(Pid::from_raw(dead.guard()), Signal::SIGKILL).unwrap();
    assert_eq!(dead.stop(Signal::SIGKILL).signal(), Some(9));
    assert!(dead.children_are_gone());
    assert!(dead.scratch.exists(), "nobody was left to remove it");
    assert_eq!(runs(&project.scratch()).len(), 2);

    let next = project.run(&["image/1M::qcow2"]);
    assert!(next.status.success(), "{}", next.stdout);
    assert!(!dead.scratch.exists());
    assert!(!dead.socket.exists());
    assert!(live.scratch.exists());
    assert!(live.socket.exists());
    assert_eq!(live.run.try_wait().unwrap(), None);
    assert_eq!(runs(&project.scratch()).len(), 1);
    assert_eq!(runs(project.root()).len(), 1);

    live.stop(Signal::SIGTERM);
    assert!(live.children_are_gone());
    assert!(runs(&project.scratch()).is_empty());
}

#[test]
fn a_panic_in_the_middle_of_things_leaves_no_process_and_no_socket() {
    let project = Project::new();
    let mut busy = Busy::start(&project, "running/panics_while_busy::raw");
    assert_eq!(busy.run.wait().unwrap().code(), Some(101));
    assert!(busy.children_are_gone());
    assert!(!busy.socket.exists());
    assert!(runs(&project.scratch()).is_empty());
    let kept = project.kept("failed", "running/panics_while_busy.raw");
    assert!(kept.exists(), "what it left is there to be looked at");
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    let project = Project::new();
    let command = project.command(["--exact", "running/busy::raw"]);
    // As nohup does.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut busy = Busy::of(shell.current_dir(project.root()));
    kill(Pid::from_raw(busy.run.id().cast_signed()), Signal::SIGHUP).unwrap();
    assert_eq!(busy.stop(Signal::SIGTERM).signal(), Some(Signal::SIGTERM as i32));
    assert!(busy.children_are_gone());
}

#[test]
fn a_run_that_was_killed_while_it_looks_at_the_binaries_leaves_no_file() {
    let project = Project::new();
    let begun = project.root().join("begun");
    mkfifo(&begun, Mode::S_IRWXU).unwrap();
    let real = TestEnv::from_process().unwrap().tool(ToolKind::QemuImg).unwrap().program.clone();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *luks*) echo $$ >{}; exec sleep 600 ;; esac\nexec {} \"$@\"\n",
        begun.display(),
        real.display()
    );
    let (draft, slow) = (project.root().join("draft"), project.root().join("qemu-img"));
    std::fs::write(&draft, text).unwrap();
    assert!(Command::new("install").args(["-m", "755"]).args([&draft, &slow]).status().unwrap().success());
    std::fs::create_dir_all(project.root().join("cases/secret")).unwrap();
    std::fs::write(project.root().join("cases/secret/disk.case"), "formats: luks\nquiet log hush\n").unwrap();
    let mut command = project.command(["secret/"]);
    let mut run = command.env("QEMU_IMG_PROG", &slow).spawn().unwrap();
    let pid: i32 = std::fs::read_to_string(&begun).unwrap().trim().parse().unwrap();
    let probes = || {
        let names = std::fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("iotests-probe-")).count()
    };
    assert_eq!(probes(), 1);
    let guard = guard_of(run.id());
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(gone(pid) && gone(guard));
    assert_eq!(probes(), 0);
}
