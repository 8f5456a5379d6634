//! QEMU under gdbserver and under valgrind, for real. Ignored where the program is not installed.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "../vm_faults/fake.rs"]
mod fake;
mod gdb;
#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use iotests::error::Error;
use iotests::prelude::*;
use iotests::process::Deadline;
use libtest_mimic::{Arguments, Trial};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use stage::{AMPLE, Stage};
use support::is_gone;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = PathBuf::from(args.next().unwrap());
    if program.file_name().is_some_and(|name| name.to_string_lossy().starts_with(fake::PREFIX)) {
        fake::play(&program, &args.collect::<Vec<_>>());
    }
    let mut trials = trials();
    for (tool, tests) in &mut trials {
        let missing = !is_installed(tool);
        if missing {
            eprintln!("{tool} is not installed: its tests are ignored");
        }
        *tests = std::mem::take(tests).into_iter().map(|trial| trial.with_ignored_flag(missing)).collect();
    }
    let trials = trials.into_iter().flat_map(|(_, tests)| tests).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

macro_rules! trials {
    ($($tool:literal: $($name:ident),*;)*) => {
        fn trials() -> Vec<(&'static str, Vec<Trial>)> {
            vec![$(($tool, vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*])),*]
        }
    };
}

trials! {
    "valgrind":
        a_good_qemu_leaves_no_log,
        findings_reach_the_failure,
        findings_are_a_failure_whatever_the_status_may_be;
    "gdbserver":
        a_qemu_waits_for_its_debugger_without_a_limit,
        a_qemu_that_no_debugger_comes_for_can_be_ended;
}

fn is_installed(tool: &str) -> bool {
    let asked = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

// ---- valgrind ----------------------------------------------------------------------------------

fn a_good_qemu_leaves_no_log() {
    let stage =
        Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[("VALGRIND_QEMU", Path::new("y"))], AMPLE);
    let t = &stage.test;
    assert!(t.context().limit(Duration::from_secs(9)).remaining() > Some(Duration::from_secs(60)));
    let mut vm = t.vm().launch().unwrap();
    assert!(vm.command().unwrap().starts_with("valgrind '--log-file="), "{:?}", vm.command());
    let log = t.context().scratch().dir().join(format!("{}.valgrind", vm.pid().unwrap()));
    assert!(fs::read_to_string(&log).unwrap().contains("Memcheck, a memory error detector"));
    assert_eq!(vm.cmd("query-status", ()).unwrap()["status"], "running");
    vm.shutdown().unwrap();
    assert!(!log.exists());
    assert_eq!(stage.late(), [""; 0]);
}

/// A trial with a QEMU that reads memory it has freed.
fn careless_stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join(format!("{}reads-freed-memory", fake::PREFIX));
    symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let vars = [("QEMU_PROG", program.as_path()), ("VALGRIND_QEMU", Path::new("y"))];
    Stage::in_dir(dir, "raw", &vars, AMPLE)
}

fn assert_findings(error: &Error) {
    let shown = error.to_string();
    assert!(shown.starts_with("QEMU ended unexpectedly: exit status 99\ncommand: valgrind "), "{shown}");
    assert!(shown.contains("Invalid read of size"), "{shown}");
    assert!(shown.contains("ERROR SUMMARY: 1 errors"), "{shown}");
}

fn findings_reach_the_failure() {
    let stage = careless_stage();
    let mut vm = stage.test.vm().launch().unwrap();
    assert_findings(&vm.shutdown().unwrap_err());
    assert_eq!(stage.late(), [""; 0]);
}

fn findings_are_a_failure_whatever_the_status_may_be() {
    let stage = careless_stage();
    let mut vm = stage.test.vm().may_fail().launch().unwrap();
    assert_findings(&vm.shutdown().unwrap_err());
}

// ---- gdbserver ---------------------------------------------------------------------------------

fn stage_with_gdbserver() -> Stage {
    // The kernel chooses the port.
    Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[("GDB_OPTIONS", Path::new("localhost:0"))], AMPLE)
}

/// What gdbserver says of its program and where it listens: process id and port.
fn wait_for_gdbserver(t: &Test) -> (i32, u16) {
    let dir = t.context().scratch().dir();
    let deadline = Deadline::after(AMPLE);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    inotify.add_watch(dir, AddWatchFlags::IN_MODIFY).unwrap();
    loop {
        let said = fs::read_to_string(dir.join("qemu.0.log")).unwrap_or_default();
        let number = |before: &str| {
            let (_, rest) = said.split_once(before)?;
            let (number, _) = rest.split_once('\n')?;
            number.parse::<u32>().ok()
        };
        if let (Some(pid), Some(port)) = (number("created; pid = "), number("Listening on port ")) {
            return (pid as i32, port as u16);
        }
        assert_eq!(deadline.wait_readable([std::os::fd::AsFd::as_fd(&inotify)]), Ok([true]), "{said}");
        inotify.read_events().unwrap();
    }
}

fn a_qemu_waits_for_its_debugger_without_a_limit() {
    let stage = stage_with_gdbserver();
    let t = &stage.test;
    // Under a debugger there are no limits.
    assert_eq!(t.context().limit(Duration::from_secs(1)).remaining(), None);
    std::thread::scope(|scope| {
        let debugger = scope.spawn(|| {
            let (pid, port) = wait_for_gdbserver(t);
            (pid, gdb::Gdb::connect(port).run_to_the_end())
        });
        let mut vm = t.vm().launch().unwrap();
        assert!(vm.command().unwrap().starts_with("gdbserver localhost:0 "), "{:?}", vm.command());
        assert_eq!(vm.cmd("query-status", ()).unwrap()["status"], "running");
        vm.shutdown().unwrap();
        let (pid, end) = debugger.join().unwrap();
        assert_eq!(end.split(';').next(), Some("W0"), "{end}");
        assert!(is_gone(pid));
    });
    assert_eq!(stage.late(), [""; 0]);
}

fn a_qemu_that_no_debugger_comes_for_can_be_ended() {
    let stage = stage_with_gdbserver();
    let t = &stage.test;
    std::thread::scope(|scope| {
        let interrupted = scope.spawn(|| {
            let (pid, _) = wait_for_gdbserver(t);
            t.context().registry().kill_all();
            pid
        });
        let error = t.vm().launch().unwrap_err();
        assert!(
            matches!(error, Error::Died { launching: true, status: Status::Signalled(9), .. }),
            "{error}"
        );
        assert!(is_gone(interrupted.join().unwrap()));
    });
}
