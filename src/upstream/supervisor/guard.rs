//! What a supervisor does: starts the test, waits for its end, its deadline or the harness's end,
//! whichever comes first, and leaves nothing alive.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use super::descendants;
use super::report::{End, Report};
use crate::context::mounts;
use crate::error::{Error, Result};
use crate::process::Deadline;

/// How long the processes that a test started get to end after it by themselves: a test need not
/// wait for what it has asked to end.
const GRACE: Duration = Duration::from_secs(1);

/// How long the kernel gets to take processes down after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Why a wait ended.
enum Woken {
    /// All children are gone, or the one that was waited for is.
    Done,
    /// The deadline has passed.
    Late,
    /// The harness is no more, or wants the test to end.
    Abandoned,
}

/// Runs a test as the arguments say: its time in milliseconds (0 for no limit), the file that its
/// output goes to, its working directory, and its command line.
pub(super) fn supervise(args: &[OsString]) -> Result<()> {
    let [limit, output, dir, program, arguments @ ..] = args else {
        return Err(Error::Setup("too few arguments".to_owned()));
    };
    // Away from the terminal: Ctrl-C reaches the harness, whose end is noticed here.
    setsid().map_err(Error::os("start a session"))?;
    prctl::set_child_subreaper(true).map_err(Error::os("become the reaper of all descendants"))?;
    let mut guard = Guard::new()?;
    let end = match spawn(program, arguments, output, dir) {
        Ok(child) => guard.watch(child, deadline(limit)),
        Err(error) => Some(End::NotStarted(error.to_string())),
    };
    let dirs = ["TEST_DIR", "SOCK_DIR"].map(|name| PathBuf::from(std::env::var_os(name).unwrap_or_default()));
    let Some(end) = end else {
        guard.clear();
        // Nobody else is there to do it.
        dirs.iter().filter(|dir| dir.is_absolute()).for_each(|dir| mounts::remove(dir));
        return Ok(());
    };
    let mut left_behind = Vec::new();
    if matches!(end, End::Exited(_) | End::Signalled(_)) {
        match guard.wait_for_all(Deadline::after(GRACE)) {
            Woken::Done => {}
            Woken::Late | Woken::Abandoned => left_behind = descendants::named(),
        }
    }
    let unkillable = guard.clear();
    let mounted = mounts::release(&dirs);
    let report = Report { end, left_behind, unkillable, mounted };
    let text = serde_json::to_vec(&report).map_err(|error| Error::Other(error.into()))?;
    let mut pipe = std::io::stdout().lock();
    pipe.write_all(&text).and_then(|()| pipe.flush()).map_err(Error::io("report to the harness"))
}

fn deadline(limit: &OsStr) -> Deadline {
    match limit.to_str().and_then(|text| text.parse().ok()) {
        Some(limit) if limit > 0 => Deadline::after(Duration::from_millis(limit)),
        _ => Deadline::never(),
    }
}

fn spawn(program: &OsStr, arguments: &[OsString], output: &OsStr, dir: &OsStr) -> Result<Pid> {
    let display = || program.display().to_string();
    let file = File::create(output).map_err(Error::io(format!("create {}", output.display())))?;
    let copy = file.try_clone().map_err(Error::io("duplicate a descriptor"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(file).stderr(copy);
    // A test that signals its own group must not hit its supervisor.
    command.process_group(0);
    let prepare = || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // Blocked here for the signalfd, and inherited.
        Ok(child_signals().thread_unblock()?)
    };
    // SAFETY: the closure only makes system calls that are async-signal-safe.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn().map_err(Error::io(format!("run {}", display())))?;
    // Reaped by `waitpid` below like every other descendant.
    Ok(Pid::from_raw(child.id() as i32))
}

fn child_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals
}

struct Guard {
    child_ended: SignalFd,
}

impl Guard {
    fn new() -> Result<Self> {
        let mask = child_signals();
        mask.thread_block().map_err(Error::os("block SIGCHLD"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let child_ended = SignalFd::with_flags(&mask, flags).map_err(Error::os("make a signalfd"))?;
        Ok(Self { child_ended })
    }

    /// Waits for the test's end; `None` when the harness went first.
    fn watch(&mut self, test: Pid, deadline: Deadline) -> Option<End> {
        let mut end = None;
        loop {
            reap(|status| match status {
                WaitStatus::Exited(pid, status) if pid == test => end = Some(End::Exited(status)),
                WaitStatus::Signaled(pid, signal, _) if pid == test => {
                    end = Some(End::Signalled(signal as i32));
                }
                _ => {}
            });
            if end.is_some() {
                return end;
            }
            match self.wait(deadline) {
                Woken::Done => {}
                Woken::Late => return Some(End::TimedOut(descendants::named())),
                Woken::Abandoned => return None,
            }
        }
    }

    /// Waits until nothing is left.
    fn wait_for_all(&mut self, deadline: Deadline) -> Woken {
        loop {
            if !reap(|_| ()) {
                return Woken::Done;
            }
            match self.wait(deadline) {
                Woken::Done => {}
                other => return other,
            }
        }
    }

    /// Kills whatever is left and returns what would not die.
    fn clear(&mut self) -> Vec<String> {
        let deadline = Deadline::after(KILL_LIMIT);
        while reap(|_| ()) {
            descendants::kill_all();
            // The harness may be gone already: its end is no reason to stop here.
            let [ended] = deadline.wait_readable([self.child_ended.as_fd()]).unwrap_or_default();
            if !ended {
                return descendants::named();
            }
            self.drain();
        }
        Vec::new()
    }

    fn wait(&mut self, deadline: Deadline) -> Woken {
        let stdin = std::io::stdin();
        let lifeline: BorrowedFd<'_> = stdin.as_fd();
        match deadline.wait_readable([self.child_ended.as_fd(), lifeline]) {
            Ok([_, true]) | Err(_) => Woken::Abandoned,
            Ok([true, false]) => {
                self.drain();
                Woken::Done
            }
            Ok([false, false]) => Woken::Late,
        }
    }

    fn drain(&mut self) {
        while let Ok(Some(_)) = self.child_ended.read_signal() {}
    }
}

/// Reaps what has ended; false when there are no children any more.
fn reap(mut ended: impl FnMut(WaitStatus)) -> bool {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(status) => ended(status),
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
