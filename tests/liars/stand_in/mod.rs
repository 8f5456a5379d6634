//! What runs in a tool's place: it has the real one do the work, and lies about it. Knows of the runner only what
//! it is given: its own name, the real program beside it, and three variables.
//!
//! Honest, it goes the same ways, and records the lies that it would have told. So what a trial notices is the lie,
//! not that something stands between it and the tool.

mod call;
mod damage;
mod monitor;
mod output;
mod record;

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use iotests::env::ToolKind;
use nix::sys::signal::{SigHandler, Signal, kill, raise, signal};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;

use crate::lie::{Lie, tool_named};
use call::Call;
use record::Record;

/// The file beside the stand-in that is a link to the real program.
pub(crate) const REAL: &str = "real";
/// The variable that names the lie; without it the stand-in is honest.
pub(crate) const LIE: &str = "LIARS_LIE";
/// The variable that names the file of what happened.
pub(crate) const RECORD: &str = "LIARS_RECORD";
/// The variable that names the real qemu-io, which does the damage.
pub(crate) const REAL_QEMU_IO: &str = "LIARS_QEMU_IO";
/// The variable that names the trial; the harness sets it for what a trial starts.
const TRIAL: &str = "IOTESTS_TRIAL";

/// The tool that this process was started as, if it was not started as the test.
pub(crate) fn role() -> Option<(ToolKind, PathBuf)> {
    let own = PathBuf::from(std::env::args_os().next()?);
    let dir = own.parent()?;
    let tool = tool_named(dir.file_name()?.to_str()?)?;
    Some((tool, std::fs::read_link(dir.join(REAL)).ok()?))
}

/// How the real program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Exited(i32),
    Killed(i32),
}

/// Is the tool. What the harness asks of it outside of any trial, such as its version, gets the truth.
pub(crate) fn run(tool: ToolKind, real: &Path) -> ! {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.into_string().expect("arguments are UTF-8")).collect();
    let Some(trial) = std::env::var(TRIAL).ok() else {
        let error = Command::new(real).args(args).exec();
        panic!("failed to run {}: {error}", real.display());
    };
    // A crash is wanted, its image is not.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let lie = std::env::var(LIE).ok().map(|name| Lie::named(&name).expect("the runner names a lie"));
    let record = Record::new(tool, lie, trial);
    let call = Call::new(tool, args);

    if record.tells(Lie::NoWork) {
        std::process::exit(0);
    }
    if let Some(pid_file) = call.pid_file()
        && record.tells(Lie::NoService)
    {
        serve_nothing(pid_file);
    }
    let end = work(real, &call, &record);
    end_as(end, &call, &record, real)
}

/// Says that it is ready, and waits until it is asked to end.
fn serve_nothing(pid_file: &Path) -> ! {
    let mut signals = heeded();
    call::say_ready(pid_file);
    let _ = signals.forever().next();
    std::process::exit(0)
}

/// Runs the real program to its end.
fn work(real: &Path, call: &Call, record: &Record) -> End {
    let mut signals = heeded();
    let mut args = call.args().to_vec();
    let monitor = monitor::take(&mut args);
    let relay = call.relay();
    if let Some(relay) = &relay {
        relay.replace(&mut args);
    }
    let mut command = Command::new(real);
    command.args(args);
    let capture = (!call.talks()).then(|| output::Capture::new(&mut command));
    let mut child = command.spawn().expect("the real program can be run");
    // Our copies of what the real program writes to go with it.
    drop(command);
    let pid = Pid::from_raw(child.id() as i32);
    std::thread::spawn(move || {
        for number in signals.forever() {
            let _ = kill(pid, Signal::try_from(number).expect("it was asked for"));
        }
    });
    let pump = monitor.map(|monitor| monitor.pump(record.clone()));
    let text = capture.map(output::Capture::read);
    let end = match relay {
        Some(relay) => relay.wait(&mut child),
        None => end_of(child.wait().expect("a child can be waited for")),
    };
    if let Some(pump) = pump {
        pump.finish();
    }
    if let Some(text) = text {
        text.print(record, call.command() != Some("create"));
    }
    end
}

/// The signals that ask a program to end: they are handed on.
fn heeded() -> Signals {
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].map(|signal| signal as i32);
    Signals::new(signals).expect("these signals can be waited for")
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Killed(signal),
        (None, None) => unreachable!("a process exits or is killed"),
    }
}

/// Ends this process as the real one ended, or as the lie has it.
fn end_as(end: End, call: &Call, record: &Record, real: &Path) -> ! {
    match end {
        End::Killed(number) => die_of(Signal::try_from(number).expect("the kernel names a signal")),
        End::Exited(code) => {
            if code == 0 {
                damage::after(call, record, real);
            }
            if record.tells(Lie::CrashAfter) {
                die_of(Signal::SIGABRT);
            }
            let lied = match code {
                0 if record.tells(Lie::ExitOne) => 1,
                1.. if record.tells(Lie::ExitZero) => 0,
                _ => code,
            };
            std::process::exit(lied)
        }
    }
}

fn die_of(number: Signal) -> ! {
    // SAFETY: the default disposition runs no code of ours.
    let _ = unsafe { signal(number, SigHandler::SigDfl) };
    let _ = raise(number);
    std::process::abort()
}

pub(crate) use output::check as changes_of_output;
