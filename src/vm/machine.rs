//! The life of a VM: launched, shut down, launched again, never left behind.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::VmBuilder;
use super::launch::{Running, start};
use super::process::Process;
use crate::error::{Error, Result};
use crate::output::with_line_ends;
use crate::process::{Deadline, Printed, Status};
use crate::test::Test;
use crate::tools::{Requests, is_noise};

/// How long a VM may take to end once it was asked to (`qemu.machine: shutdown`).
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// A QEMU of the trial (`iotests.py: VM`, `qemu.machine: QEMUMachine`).
///
/// Dropping a running VM shuts it down; if QEMU had ended by itself, or ends with a bad status,
/// the trial fails. It always fails when QEMU dies of a signal that the case did not send.
#[derive(Debug)]
#[must_use = "dropping a VM shuts it down"]
pub struct Vm {
    pub(super) config: VmBuilder,
    running: Option<Running>,
    status: Option<Status>,
    log: Option<Printed>,
    command: Option<String>,
    /// What qemu-io commands have yet to report, and how much of QEMU's output was searched for it.
    requests: Requests,
    searched: u64,
    /// Events of earlier launches that waits have passed over.
    passed_over: Vec<Value>,
    /// Events of the last launch that no wait had looked at.
    unread: Vec<Value>,
}

impl VmBuilder {
    /// Launches it and negotiates its monitor.
    ///
    /// # Errors
    /// As [`Vm::launch`]: [`Error::Died`](crate::error::Error::Died) with QEMU's output when it ends early.
    pub fn launch(self) -> Result<Vm> {
        let mut vm = self.build();
        vm.launch()?;
        Ok(vm)
    }

    /// The VM, not launched yet.
    pub fn build(self) -> Vm {
        Vm::new(self)
    }
}

impl Vm {
    fn new(config: VmBuilder) -> Self {
        Self {
            config,
            running: None,
            status: None,
            log: None,
            command: None,
            requests: Requests::default(),
            searched: 0,
            passed_over: Vec::new(),
            unread: Vec::new(),
        }
    }

    pub(super) fn test(&self) -> Test {
        self.config.test.clone()
    }

    /// Changes what the next launch starts with; drives are numbered on.
    pub fn configure(&mut self, change: impl FnOnce(VmBuilder) -> VmBuilder) {
        self.config = change(self.config.take());
    }

    /// Launches it, for the first time or again after a shutdown (`qemu.machine: launch`). Events of
    /// the launch before that waits have passed over are still there for later ones; what was unread
    /// is not.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it runs already, is to fork by `-daemonize`, or has a drive of another format that would be
    /// taken for raw; [`Error::Died`] with QEMU's output when it ends early; [`Error::Timeout`] when its monitor does not come up; [`Error::Skip`] where no VM can run
    /// without the qtest accelerator, which is not there.
    pub fn launch(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Err(Error::misuse(format!("{} is running already", self.config.name)));
        }
        (self.status, self.log, self.command) = (None, None, None);
        self.unread.clear();
        (self.requests, self.searched) = (Requests::default(), 0);
        self.config.assumed.iter().try_for_each(|file| self.config.test.assume_tested_format(file))?;
        let started = start(&self.config)?;
        let (command, log) = (started.process.child.command().to_owned(), started.process.log.clone());
        (self.command, self.log) = (Some(command.clone()), Some(log.clone()));
        match started.negotiate(&self.config.name) {
            Ok(mut running) => {
                self.config.test.context().watch("QEMU", &command, log, is_noise);
                running.monitor.restore_events(std::mem::take(&mut self.passed_over));
                self.running = Some(running);
                Ok(())
            }
            Err(failed) => {
                let (error, mut process) = *failed;
                self.status = process.child.try_status().ok().flatten();
                if let Error::Died { status, monitor, .. } = &error {
                    report_crash(&process, true, *status, monitor);
                }
                Err(error)
            }
        }
    }

    /// Tells QEMU to quit and waits for its end (`qemu.machine: shutdown`). Does nothing when it
    /// was not launched.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself ([`Vm::wait_exit`] is for where it may), or ends
    /// by a signal or with a bad status;
    /// [`Error::Timeout`] when it does not end, and [`Error::Monitor`] when it cannot be asked to
    /// (it is killed then).
    pub fn shutdown(&mut self) -> Result<()> {
        self.shutdown_within(SHUTDOWN_LIMIT)
    }

    /// As [`Vm::shutdown`], with another limit than 30 s (`shutdown(timeout=…)`).
    ///
    /// # Errors
    /// As [`Vm::shutdown`].
    pub fn shutdown_within(&mut self, limit: Duration) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let deadline = self.config.test.context().limit(limit);
        let ended = running.process.child.try_status()?.is_some();
        if !ended
            && !running.quit_sent
            && let Err(error) = running.monitor.execute("quit", (), deadline)
        {
            // A QEMU that went instead of answering is judged by its status below.
            let going = matches!(error, Error::Monitor { .. }) && running.process.last_words().is_ok();
            if !going {
                return Err(self.abandon(error));
            }
        }
        self.end("QEMU to end after quit", deadline, !ended)
    }

    /// Waits for QEMU to end by itself: by a `quit` sent before, or a guest's or migration's doing
    /// (`qemu.machine: wait`).
    ///
    /// # Errors
    /// As [`Vm::shutdown`].
    pub fn wait_exit(&mut self) -> Result<Status> {
        self.wait_exit_within(SHUTDOWN_LIMIT)
    }

    /// As [`Vm::wait_exit`], with another limit than 30 s (`wait(timeout=…)`).
    ///
    /// # Errors
    /// As [`Vm::shutdown`].
    pub fn wait_exit_within(&mut self, limit: Duration) -> Result<Status> {
        let deadline = self.config.test.context().limit(limit);
        self.running_mut("waiting for the end")?;
        self.end("QEMU to end by itself", deadline, true)?;
        self.status.ok_or_else(|| Error::misuse("the VM was not running"))
    }

    /// Kills QEMU (`qemu.machine: kill`, `shutdown(hard=True)`).
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended before, and badly or unasked;
    /// [`Error::Timeout`] when the kernel cannot end it.
    pub fn kill(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let ended = running.process.child.try_status()?.is_some();
        let status = running.process.child.kill()?;
        if !ended && status == Status::Signalled(Signal::SIGKILL as i32) {
            self.note_end(status);
            return Ok(());
        }
        self.judge(status, false)
    }

    /// Sends a signal to QEMU; its death by this signal is then no failure.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is not running.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        let running = self.running_mut("sending a signal")?;
        running.signals_sent.insert(signal);
        running.process.child.signal(signal)
    }

    /// Whether QEMU has been launched and has not ended (`qemu.machine: is_running`).
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.process.child.try_status(), Ok(None)))
    }

    /// How QEMU ended (`qemu.machine: exitcode`); `None` before its end.
    pub fn exit_status(&mut self) -> Option<Status> {
        match &mut self.running {
            Some(running) => running.process.child.try_status().ok().flatten(),
            None => self.status,
        }
    }

    /// Its process id while it runs (`qemu.machine: get_pid`).
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|running| running.process.child.pid().as_raw())
    }

    /// What QEMU has printed: since the launch, or during the last one
    /// (`qemu.machine: get_log`). `None` before the first launch; empty with `PRINT_QEMU`. Without
    /// the lines about qtest that `iotests.py` has to filter out: they are never printed.
    pub fn get_log(&self) -> Option<String> {
        self.raw_log().map(|raw| with_line_ends(raw).0)
    }

    /// As [`get_log`](Self::get_log), lines ending as they did.
    pub(crate) fn raw_log(&self) -> Option<String> {
        self.log.as_ref().map(Printed::show)
    }

    /// The events of the last launch that no wait had looked at, such as what QEMU reported about its end
    /// (`iotests.py` loses them).
    pub fn take_unread_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.unread)
    }

    /// The command line it runs, or ran, with; quoted for a shell.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    pub(super) fn running_mut(&mut self, what: &str) -> Result<&mut Running> {
        match &mut self.running {
            Some(running) => Ok(running),
            None => Err(Error::misuse(format!("{what} needs a VM that runs, {} does not", self.config.name))),
        }
    }

    /// Demands that what was asked of qemu-io is reported as done in QEMU's output, unless the monitor objected.
    pub(super) fn demand_reports(&mut self, command: &str, reply: &Value) -> Result<()> {
        if reply["return"] != "" || self.config.test.context().env().print_qemu() {
            return Ok(());
        }
        let printed = self.unsearched();
        self.requests.check(self.command.as_deref().unwrap_or_default(), command, &printed)
    }

    /// What QEMU has printed since it was asked for the last time.
    fn unsearched(&mut self) -> String {
        let Some(log) = &self.log else { return String::new() };
        let before = std::mem::replace(&mut self.searched, log.len());
        log.since(before)
    }

    /// What it has printed since its last launch.
    pub(super) fn log(&self) -> Option<&Printed> {
        self.log.as_ref()
    }

    /// Reaps QEMU and judges how it ended; without being `asked` to, no way is fine.
    fn end(&mut self, what: &str, deadline: Deadline, asked: bool) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        match running.process.wait(deadline) {
            Ok(status) => self.judge(status, asked),
            Err(Error::Timeout { after, .. }) => {
                let last_seen = running.monitor.last_messages();
                Err(self.abandon(Error::Timeout { what: what.to_owned(), after, last_seen }))
            }
            Err(other) => Err(self.abandon(other)),
        }
    }

    /// Judges how it ended, and notes it.
    fn judge(&mut self, status: Status, asked: bool) -> Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        let asked = asked || running.quit_sent || !running.signals_sent.is_empty();
        let tolerated = match status {
            Status::Exited(_) => self.config.may_fail && !running.process.has_valgrind_errors(status),
            Status::Signalled(signal) => running.signals_sent.iter().any(|sent| *sent as i32 == signal),
        };
        let judgement = if asked && status.success() {
            let printed = self.unsearched();
            let print_qemu = self.config.test.context().env().print_qemu();
            let command = self.command.as_deref().unwrap_or_default();
            if print_qemu { Ok(()) } else { self.requests.finish(command, &printed) }
        } else if tolerated {
            Ok(())
        } else {
            let said = running.monitor.last_messages();
            report_crash(&running.process, false, status, &said);
            Err(running.process.died(false, status, said))
        };
        self.note_end(status);
        judgement
    }

    /// Remembers what can be asked for after the end.
    fn note_end(&mut self, status: Status) {
        let Some(mut running) = self.running.take() else { return };
        let now = self.config.test.context().deadline().at_most(Duration::ZERO);
        (self.passed_over, self.unread) = running.monitor.drain(now);
        self.status = Some(status);
        running.process.remove_valgrind_log(status);
    }

    /// Kills a QEMU that does not end when asked to; hands back why.
    fn abandon(&mut self, error: Error) -> Error {
        let Some(running) = &mut self.running else { return error };
        let error = running.process.kill_for(error);
        match running.process.child.try_status() {
            Ok(Some(status)) => self.note_end(status),
            _ => self.running = None,
        }
        error
    }
}

/// A crash fails the trial even if the case ignores the error that reports it. (The harness ends a trial that is out
/// of time; such a death is no crash.)
fn report_crash(process: &Process, launching: bool, status: Status, said: &str) {
    if matches!(status, Status::Signalled(_)) && !process.child.was_killed_with_the_rest() {
        process.context.report_late(process.died(launching, status, said.to_owned()));
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if self.running.is_none() {
            return;
        }
        let context = self.config.test.context().clone();
        match if context.clock().is_no_time_to_wait() { self.kill() } else { self.shutdown() } {
            // Reported already.
            Ok(()) | Err(Error::Died { status: Status::Signalled(_), .. }) => {}
            Err(error) => context.report_late(error),
        }
    }
}
