//! Running programs on a trial's behalf: to their end, or beside the case.

use std::fs::File;
use std::sync::Arc;

use nix::sys::signal::Signal;

use super::evidence::Asked;
use super::stderr;
use crate::context::Context;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::output::with_line_ends;
use crate::process::{Capture, Child, Cmd, Output, Printed, Status, Stream};
use crate::test::Test;

/// Arguments as the tools take them.
pub(super) fn words<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Vec<String> {
    args.into_iter().map(|arg| arg.as_ref().to_owned()).collect()
}

impl Test {
    /// Runs any program to its end, within the trial's deadline, stdout and stderr as one text
    /// (upstream's later `qemu_tool`).
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, [`Error::Crash`] for death by a signal,
    /// [`Error::Timeout`] at the deadline.
    pub fn run(&self, cmd: Cmd) -> Result<Output> {
        let name = cmd.short_name();
        judge(&name, cmd.run(Capture::Merged, self.context().deadline(), self.context().registry())?)
    }

    /// Runs the emulator to its end, for what it prints of itself, such as `-device help`
    /// (`iotests.py: qemu_pipe`).
    ///
    /// # Errors
    /// As [`Test::run`].
    pub fn qemu<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let options = self.context().env().qemu_options().iter().map(String::as_str);
        let args = words(args);
        let full: Vec<_> = options.map(str::to_owned).chain(args.iter().cloned()).collect();
        self.run_tool(ToolKind::Qemu, &args, &full, Capture::Merged)
    }

    /// The command line of a tool, without any of the options that the environment adds. The tool finds the name
    /// of the trial in its environment.
    pub(crate) fn tool_cmd(&self, kind: ToolKind) -> Result<Cmd> {
        let cmd = Cmd::new(&self.context().env().tool(kind)?.program);
        Ok(match self.context().trial() {
            Some(trial) => cmd.env("IOTESTS_TRIAL", trial),
            None => cmd,
        })
    }

    /// Runs a tool within the trial's deadline, to do what `args` ask; `full` is what it is given.
    ///
    /// # Errors
    /// As [`Test::run`]; [`Error::NoEvidence`] when it does not show that it did it.
    pub(super) fn run_tool(
        &self,
        kind: ToolKind,
        args: &[String],
        full: &[String],
        capture: Capture,
    ) -> Result<Output> {
        let asked = Asked::new(kind, args);
        let cmd = self.tool_cmd(kind)?.args(full);
        let output = cmd.run(capture, self.context().deadline(), self.context().registry())?;
        let output = asked.judge(output)?;
        stderr::hear(self.context(), &asked, &output);
        Ok(output)
    }

    /// Starts a tool that runs beside the case.
    pub(super) fn start_tool(&self, kind: ToolKind, args: &[String], full: &[String]) -> Result<RunningTool> {
        let asked = Asked::new(kind, args);
        let context = self.context();
        let log = context.scratch().artefact(kind.name());
        let out = File::create(&log).map_err(Error::io(format!("create {log}")))?;
        let err = out.try_clone().map_err(Error::io(format!("duplicate {log}")))?;
        let cmd = self.tool_cmd(kind)?.args(full);
        let child =
            cmd.spawn(Stream::Null, Stream::To(out.into()), Stream::To(err.into()), context.registry())?;
        Ok(RunningTool {
            child,
            kind,
            asked,
            log: Printed::to(log.as_path()),
            context: Arc::clone(context),
            signals: Vec::new(),
            end_is_known: false,
        })
    }
}

/// A bad exit status is [`Error::Tool`], death by a signal [`Error::Crash`]
/// (`iotests.py: qemu_tool_pipe_and_status`).
fn judge(program: &str, output: Output) -> Result<Output> {
    match output.status {
        Status::Exited(0) => Ok(output),
        Status::Exited(_) => Err(Error::Tool(Box::new(output))),
        Status::Signalled(_) => Err(Error::Crash { program: program.to_owned(), output: Box::new(output) }),
    }
}

/// A tool that runs beside the case (`iotests.py: qemu_tool_popen`, `qemu_io_popen`). Dropping it
/// kills it; a crash before that fails the trial.
#[derive(Debug)]
#[must_use = "dropping it kills the tool"]
pub struct RunningTool {
    child: Child,
    kind: ToolKind,
    asked: Asked,
    log: Printed,
    context: Arc<Context>,
    /// The signals that the case has sent: death by one of them is what it wanted.
    signals: Vec<Signal>,
    /// Whether how it ended, if it did, is known to the case.
    end_is_known: bool,
}

impl RunningTool {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw()
    }

    /// Sends it a signal. If it dies of it, dropping it is fine; [`wait`](Self::wait) still reports the death.
    ///
    /// # Errors
    /// [`Error::Io`] when the kernel refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.signals.push(signal);
        self.child.signal(signal)
    }

    /// What it has printed so far, stdout and stderr as one text.
    pub fn printed(&self) -> String {
        with_line_ends(self.log.whole()).0
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Test::run`]; [`Error::NoEvidence`] when it does not show that it did its work.
    pub fn wait(mut self) -> Result<Output> {
        self.end_is_known = true;
        match self.child.wait(self.context.deadline()) {
            Ok(status) => {
                let output = self.asked.judge(self.output(status))?;
                stderr::hear(&self.context, &self.asked, &output);
                Ok(output)
            }
            Err(Error::Timeout { what, after, .. }) => {
                let what = format!("{what} (killed now)");
                Err(Error::Timeout { what, after, last_seen: self.log.tail() })
            }
            Err(other) => Err(other),
        }
    }

    fn output(&self, status: Status) -> Output {
        Output::of(self.child.command().to_owned(), status, self.log.whole())
    }
}

impl Drop for RunningTool {
    fn drop(&mut self) {
        if !self.end_is_known
            && let Ok(Some(status @ Status::Signalled(number))) = self.child.try_status()
            && !self.child.was_killed_with_the_rest()
            && !self.signals.iter().any(|sent| *sent as i32 == number)
            && let Err(crash) = judge(self.kind.name(), self.output(status))
        {
            self.context.report_late(crash);
        }
    }
}
