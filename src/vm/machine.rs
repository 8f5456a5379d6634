//! The life of a VM: launched, shut down, launched again, never left behind.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::VmBuilder;
use super::launch::{Running, launch, read_log};
use crate::context::Scratch;
use crate::error::{Error, Result};
use crate::process::Status;
use crate::test::Test;

/// How long a VM may take to end once it was told to (`qemu.machine: shutdown`).
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
/// What valgrind exits with when it found errors (`iotests.py: qemu_valgrind`).
const VALGRIND_ERRORS: i32 = 99;

/// A QEMU of the trial (`iotests.py: VM`, `qemu.machine: QEMUMachine`).
///
/// Dropping a running VM shuts it down; if QEMU had ended by itself, or ends with a bad status,
/// the trial fails.
#[derive(Debug)]
pub struct Vm {
    pub(super) config: VmBuilder,
    running: Option<Running>,
    status: Option<Status>,
    log: Option<String>,
    /// Events of an earlier launch that nobody asked for.
    pub(super) events: VecDeque<Value>,
}

impl Vm {
    pub(super) fn new(config: VmBuilder) -> Self {
        Self { config, running: None, status: None, log: None, events: VecDeque::new() }
    }

    pub(super) fn test(&self) -> Test {
        self.config.test.clone()
    }

    /// Changes what the next launch starts with; drives are numbered on.
    pub fn configure(&mut self, change: impl FnOnce(VmBuilder) -> VmBuilder) {
        self.config = change(self.config.take());
    }

    /// Launches it, for the first time or again after a shutdown (`qemu.machine: launch`).
    ///
    /// # Errors
    /// [`Error::Assertion`] when it runs already; [`Error::Died`] with QEMU's output when it ends
    /// early; [`Error::Timeout`] when its monitor does not come up.
    pub fn launch(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Err(Error::assertion(format!("{} is running already", self.config.name)));
        }
        self.status = None;
        self.log = None;
        match launch(&mut self.config) {
            Ok(mut running) => {
                running.monitor.restore_events(std::mem::take(&mut self.events));
                self.running = Some(running);
                Ok(())
            }
            Err(error) => {
                if let Error::Died { status, log, .. } = &error {
                    self.status = Some(*status);
                    self.log = Some(log.clone());
                }
                Err(error)
            }
        }
    }

    /// Tells QEMU to quit and waits for its end (`qemu.machine: shutdown`). Does nothing when it
    /// is not running.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself, or ends by a signal or with a bad status;
    /// [`Error::Timeout`] when it does not end (it is killed then).
    pub fn shutdown(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let deadline = self.config.test.context().limit(SHUTDOWN_LIMIT);
        if !running.quit_sent {
            // A QEMU that is gone, or goes instead of answering, is judged by its status below.
            if let Err(error) = running.monitor.execute("quit", (), deadline)
                && matches!(error, Error::Timeout { .. })
            {
                return Err(self.abandon(error));
            }
        }
        self.end(true)
    }

    /// Waits for QEMU to end by itself: by a `quit` sent before, or a guest's or migration's doing
    /// (`qemu.machine: wait`).
    ///
    /// # Errors
    /// As [`Vm::shutdown`].
    pub fn wait_exit(&mut self) -> Result<Status> {
        self.running_mut("waiting for the end")?.quit_sent = true;
        self.end(true)?;
        self.status.ok_or_else(|| Error::assertion("the VM was not running"))
    }

    /// Kills QEMU (`qemu.machine: kill`, `shutdown(hard=True)`).
    ///
    /// # Errors
    /// [`Error::Io`] when the kernel cannot end it.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(running) = &mut self.running {
            running.child.kill()?;
            self.end(false)?;
        }
        Ok(())
    }

    /// Sends a signal to QEMU.
    ///
    /// # Errors
    /// [`Error::Assertion`] when it is not running.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.running_mut("sending a signal")?.child.signal(signal)
    }

    /// Whether QEMU has been launched and has not ended (`qemu.machine: is_running`).
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.child.try_status(), Ok(None)))
    }

    /// How QEMU ended (`qemu.machine: exitcode`); `None` before its end.
    pub fn exit_status(&mut self) -> Option<Status> {
        match &mut self.running {
            Some(running) => running.child.try_status().ok().flatten(),
            None => self.status,
        }
    }

    /// Its process id while it runs (`qemu.machine: get_pid`).
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|running| running.child.pid().as_raw())
    }

    /// What QEMU has printed: since the launch, or during the last one
    /// (`qemu.machine: get_log`). `None` before the first launch; empty with `PRINT_QEMU`.
    pub fn get_log(&self) -> Option<String> {
        match &self.running {
            Some(running) => Some(read_log(&running.log)),
            None => self.log.clone(),
        }
    }

    /// The command line it runs, or ran, with; quoted for a shell.
    pub fn command(&self) -> Option<&str> {
        self.running.as_ref().map(|running| running.child.command())
    }

    pub(super) fn running_mut(&mut self, what: &str) -> Result<&mut Running> {
        match &mut self.running {
            Some(running) => Ok(running),
            None => {
                Err(Error::assertion(format!("{what} needs a VM that runs, {} does not", self.config.name)))
            }
        }
    }

    /// Reaps QEMU; with `judge`, its status decides.
    fn end(&mut self, judge: bool) -> Result<()> {
        let context = self.config.test.context().clone();
        let Some(running) = &mut self.running else { return Ok(()) };
        let waited = running.child.wait(context.limit(SHUTDOWN_LIMIT));
        let status = match waited {
            Ok(status) => status,
            Err(error) => return Err(self.abandon(error)),
        };
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let now = context.deadline().at_most(Duration::ZERO);
        self.events = running.monitor.drain(now);
        let log = read_log(&running.log);
        self.status = Some(status);
        self.log = Some(log.clone());
        let valgrind = if context.env().valgrind() {
            valgrind_report(context.scratch(), running.child.pid().as_raw(), status)
        } else {
            None
        };
        if !judge || self.config.may_fail || status.success() {
            return Ok(());
        }
        Err(Error::Died {
            program: "QEMU".to_owned(),
            launching: false,
            status,
            command: running.child.command().to_owned(),
            log: [Some(log), valgrind].into_iter().flatten().collect::<Vec<_>>().join("\n"),
        })
    }

    /// Kills a QEMU that does not end when told to; hands back why.
    fn abandon(&mut self, error: Error) -> Error {
        let Some(mut running) = self.running.take() else { return error };
        self.status = running.child.kill().ok();
        let log = read_log(&running.log);
        self.log = Some(log.clone());
        match error {
            Error::Timeout { after, last_seen, .. } => Error::Timeout {
                what: format!("QEMU to end after quit (killed now): {}", running.child.command()),
                after,
                last_seen: format!("{last_seen}\n{log}").trim().to_owned(),
            },
            other => other,
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let context = self.config.test.context().clone();
        // Past the deadline, or while a panic unwinds, nobody waits for a QEMU to be polite.
        let ended = if context.deadline().expired() || std::thread::panicking() {
            self.kill()
        } else {
            self.shutdown()
        };
        if let Err(error) = ended {
            context.report_late(error);
        }
    }
}

/// The prefix that runs QEMU under valgrind (`iotests.py: qemu_valgrind`).
pub(super) fn valgrind(scratch: &Scratch) -> [String; 3] {
    let log = scratch.dir().join("%p.valgrind");
    [
        "valgrind".to_owned(),
        format!("--log-file={}", log.display()),
        format!("--error-exitcode={VALGRIND_ERRORS}"),
    ]
}

/// valgrind's findings when it had any; otherwise its log is removed
/// (`iotests.py: VM._post_shutdown`).
fn valgrind_report(scratch: &Scratch, pid: i32, status: Status) -> Option<String> {
    let path: PathBuf = scratch.dir().join(format!("{pid}.valgrind"));
    if status.code() == Some(VALGRIND_ERRORS) {
        return std::fs::read(&path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    }
    let _ = std::fs::remove_file(path);
    None
}
