//! qemu-io, run to its end or spoken to over its prompt.

use std::fs::File;
use std::io::{ErrorKind, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::args::{io_wrap_args, names_format};
use super::io_request::{BAD_STATUS, Requests, is_async, reports_failure};
use super::run::{RunningTool, words};
use crate::context::Context;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::output::{raw_text_of, text_of, with_line_ends};
use crate::process::{Capture, Child, Deadline, MOST_OUTPUT, Output, Status, Stream};
use crate::test::Test;

const PROMPT: &[u8] = b"qemu-io> ";
/// How much is read at a time.
const CHUNK: u64 = 64 * 1024;
/// How long a qemu-io that has closed its output may take to end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

impl Test {
    /// Runs qemu-io (`iotests.py: qemu_io`, `qemu_io_silent`). The tested format is given by `-f`
    /// unless the arguments name one themselves: see [`io_wrap_args`].
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, as after a `read -P` that found other data, and for a request of an `aio_`
    /// command that qemu-io reports as failed, for which it ends with 0; [`Error::Crash`] for death by a signal;
    /// [`Error::NoEvidence`] when a request is not reported as done, with the number of bytes and the offset that
    /// were asked for, and when qemu-io reports any other failure but ends with 0; [`Error::Misuse`] for an image of
    /// another format that would be taken for raw.
    pub fn qemu_io<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = words(args);
        let full = self.qemu_io_args(&args)?;
        self.run_tool(ToolKind::QemuIo, &args, &full, Capture::Merged)
    }

    /// Runs qemu-io and logs what it prints, with scratch files and times hidden (`iotests.py: qemu_io_log`, which
    /// takes any exit status). The output comes back as it was.
    ///
    /// # Errors
    /// As [`Test::qemu_io`]; the output is logged whatever the exit status.
    pub fn qemu_io_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let result = self.qemu_io(args);
        self.log_output(&result, &[self.filter_testfiles(), Filter::qemu_io()]);
        result
    }

    /// Whether qemu-io succeeds (`iotests.py: qemu_io_silent_check`).
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal, which `iotests.py` takes for a mere failure; [`Error::NoEvidence`] as
    /// for [`Test::qemu_io`].
    pub fn qemu_io_check<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<bool> {
        match self.qemu_io(args) {
            Ok(_) => Ok(true),
            Err(Error::Tool(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Starts qemu-io to run beside the case (`iotests.py: qemu_io_popen`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn qemu_io_start<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<RunningTool> {
        let args = words(args);
        self.start_tool(ToolKind::QemuIo, &args, &self.qemu_io_args(&args)?)
    }

    /// Starts qemu-io at its prompt (`iotests.py: QemuIoInteractive`).
    ///
    /// # Errors
    /// [`Error::Died`] with all it printed when it does not get to its prompt.
    pub fn qemu_io_interactive<S: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<QemuIoInteractive> {
        QemuIoInteractive::start(self, &words(args))
    }

    fn qemu_io_args(&self, args: &[String]) -> Result<Vec<String>> {
        let env = self.context().env();
        let mut base = env.tool(ToolKind::QemuIo)?.options.clone();
        // As check does: a LUKS image cannot be opened without a secret, so the case names both.
        if self.imgfmt() != "luks" && !base.iter().any(|option| option == "-f") {
            base.extend(["-f".to_owned(), self.imgfmt().to_owned()]);
        }
        if !names_format(args) {
            args.iter().try_for_each(|arg| self.assume_tested_format(arg))?;
        }
        Ok(io_wrap_args(args, &base, env.qemu_io_options_no_fmt()))
    }
}

/// A qemu-io that waits for commands (`iotests.py: QemuIoInteractive`). Dropping it ends it as
/// [`close`](Self::close) does, and what goes wrong then fails the trial; after the deadline, or during a panic, it is
/// killed.
#[derive(Debug)]
#[must_use = "dropping it ends qemu-io"]
pub struct QemuIoInteractive {
    child: Child,
    stdin: File,
    stdout: File,
    unread: Vec<u8>,
    context: Arc<Context>,
    /// What it has yet to report.
    requests: Requests,
    /// Whether a command has failed: its exit status says so, unless `may_hide_failures`.
    has_failed: bool,
    /// Whether an `aio_` command ran, whose failure leaves the exit status alone.
    may_hide_failures: bool,
    /// Whether the case knows how it ended.
    end_is_known: bool,
}

impl QemuIoInteractive {
    fn start(test: &Test, args: &[String]) -> Result<Self> {
        let cmd = test.tool_cmd(ToolKind::QemuIo)?.args(test.qemu_io_args(args)?);
        let (stdin_read, stdin_write) = pipe().map_err(Error::io("create a pipe"))?;
        let (stdout_read, stdout_write) = pipe().map_err(Error::io("create a pipe"))?;
        let stderr_write = stdout_write.try_clone().map_err(Error::io("duplicate a pipe"))?;
        for ours in [stdin_write.as_fd(), stdout_read.as_fd()] {
            fcntl(ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
                .map_err(Error::os("set a pipe non-blocking"))?;
        }
        let child = cmd.spawn(
            Stream::To(stdin_read.into()),
            Stream::To(stdout_write.into()),
            Stream::To(stderr_write.into()),
            test.context().registry(),
        )?;
        let mut started = Self {
            child,
            stdin: OwnedFd::from(stdin_write).into(),
            stdout: OwnedFd::from(stdout_read).into(),
            unread: Vec::new(),
            context: Arc::clone(test.context()),
            requests: Requests::default(),
            has_failed: false,
            may_hide_failures: false,
            end_is_known: false,
        };
        let before = started.read_to_prompt("start", true)?;
        started.unread.splice(..0, before.into_bytes());
        Ok(started)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw()
    }

    /// Runs one command and returns what it printed, up to the next prompt. What qemu-io had said
    /// before it asked for the first command, such as a warning, comes in front of that one's.
    ///
    /// # Errors
    /// [`Error::Tool`] when it reports that a request failed, found other data, or that it does not know the command
    /// (`iotests.py` leaves that to the case); [`Error::NoEvidence`] when a request is not reported as done: that of
    /// an `aio_` command may be until an `aio_flush`. [`Error::Misuse`] for a command with a line end, or one that
    /// quits: that is [`close`](Self::close)'s to do. [`Error::Died`] when qemu-io ends instead of answering;
    /// [`Error::Timeout`] at the trial's deadline.
    pub fn cmd(&mut self, command: &str) -> Result<String> {
        let printed = self.try_cmd(command)?;
        if reports_failure(&printed) {
            return Err(Error::Tool(Box::new(self.output(Status::Exited(0), command, printed))));
        }
        Ok(printed)
    }

    /// As [`cmd`](Self::cmd), for a command that may fail; the case looks at what it prints.
    ///
    /// # Errors
    /// As [`cmd`](Self::cmd), but for [`Error::Tool`].
    pub fn try_cmd(&mut self, command: &str) -> Result<String> {
        self.try_cmd_raw(command).map(|raw| with_line_ends(raw).0)
    }

    /// As [`try_cmd`](Self::try_cmd), lines ending as they did.
    pub(crate) fn try_cmd_raw(&mut self, command: &str) -> Result<String> {
        if command.contains('\n') {
            return Err(Error::misuse(format!("a qemu-io command is one line, this is more: {command:?}")));
        }
        let command = command.trim();
        if matches!(command, "q" | "quit") {
            return Err(Error::misuse("end an interactive qemu-io by close(), not by a quit command"));
        }
        self.send(command)?;
        let raw = self.read_to_prompt(command, false)?;
        self.may_hide_failures |= is_async(command);
        let (printed, _) = with_line_ends(raw.clone());
        self.has_failed |= reports_failure(&printed);
        self.requests.check(self.child.command(), command, &printed)?;
        Ok(raw)
    }

    /// Quits and waits for the end.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the trial's deadline, [`Error::Crash`] for death by a signal, [`Error::Died`] for a bad
    /// exit status although no command had failed, [`Error::NoEvidence`] for a request that was never reported as
    /// done, and for an exit status of 0 although a command had failed (that of an `aio_` command is not in it).
    pub fn close(mut self) -> Result<()> {
        self.quit()
    }

    fn quit(&mut self) -> Result<()> {
        self.end_is_known = true;
        self.send("q")?;
        let deadline = self.context.deadline();
        while !self.read_more()? {
            self.wait_for_output("qemu-io to end after a quit", deadline)?;
        }
        let status = self.child.wait(self.context.limit(LAST_WORDS_LIMIT))?;
        let printed = text_of(std::mem::take(&mut self.unread));
        self.has_failed |= reports_failure(&printed);
        match status {
            Status::Exited(0) if self.has_failed && !self.may_hide_failures => {
                let program = ToolKind::QemuIo.name();
                return Err(Error::no_evidence(
                    program,
                    self.child.command(),
                    BAD_STATUS.to_owned(),
                    &printed,
                ));
            }
            Status::Exited(0) => {}
            Status::Exited(_) if self.has_failed => {}
            Status::Exited(_) => return Err(self.ended(false, status, printed)),
            Status::Signalled(_) => {
                let program = ToolKind::QemuIo.name().to_owned();
                return Err(Error::Crash { program, output: Box::new(self.output(status, "", printed)) });
            }
        }
        self.requests.finish(self.child.command(), &printed)
    }

    /// Kills it: what it has not written yet is lost.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not end even then.
    pub fn kill(mut self) -> Result<()> {
        self.end_is_known = true;
        self.child.kill().map(drop)
    }

    /// Sends a line. A qemu-io that is gone shows itself in what is read afterwards, with its last words.
    fn send(&mut self, command: &str) -> Result<()> {
        let deadline = self.context.deadline();
        let line = format!("{command}\n");
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.stdin.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // It may be waiting for somebody to read what it says.
                    self.read_more()?;
                    let ready = deadline.wait_either_way(self.stdin.as_fd());
                    if !ready.map_err(Error::os("wait for qemu-io"))? {
                        let (what, last_seen) = ("qemu-io to take a command".to_owned(), self.printed());
                        return Err(Error::Timeout { what, after: deadline.elapsed(), last_seen });
                    }
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn read_to_prompt(&mut self, command: &str, launching: bool) -> Result<String> {
        let deadline = self.context.deadline();
        let mut searched = 0;
        loop {
            if let Some(at) = memmem::find(&self.unread[searched..], PROMPT) {
                let rest = self.unread.split_off(searched + at + PROMPT.len());
                let mut text = std::mem::replace(&mut self.unread, rest);
                text.truncate(searched + at);
                return Ok(raw_text_of(text));
            }
            searched = self.unread.len().saturating_sub(PROMPT.len() - 1);
            self.wait_for_output(&format!("qemu-io's prompt after {command:?}"), deadline)?;
            if self.read_more()? {
                return Err(self.died(launching));
            }
        }
    }

    /// Reads what is there, a piece at a time, so that output without end meets the deadline or the
    /// limit. Whether it has ended.
    fn read_more(&mut self) -> Result<bool> {
        if self.unread.len() > MOST_OUTPUT {
            self.end_is_known = true;
            self.child.kill()?;
            return Err(Error::Flood {
                program: ToolKind::QemuIo.name().to_owned(),
                command: self.child.command().to_owned(),
                limit: MOST_OUTPUT,
                printed: self.printed(),
            });
        }
        match (&self.stdout).take(CHUNK).read_to_end(&mut self.unread) {
            Ok(count) => Ok((count as u64) < CHUNK),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(Error::io("read from qemu-io")(error)),
        }
    }

    fn wait_for_output(&self, what: &str, deadline: Deadline) -> Result<()> {
        let [ready] = deadline.wait_readable([self.stdout.as_fd()]).map_err(Error::os("wait for qemu-io"))?;
        if ready && !deadline.expired() {
            return Ok(());
        }
        Err(Error::Timeout { what: what.to_owned(), after: deadline.elapsed(), last_seen: self.printed() })
    }

    /// What it has printed and no command has returned yet; the last of it, if that is much.
    fn printed(&self) -> String {
        const MOST: usize = 8192;
        raw_text_of(self.unread[self.unread.len().saturating_sub(MOST)..].to_vec())
    }

    fn died(&mut self, launching: bool) -> Error {
        self.end_is_known = true;
        let status = match self.child.wait(self.context.limit(LAST_WORDS_LIMIT)) {
            Ok(status) => status,
            Err(Error::Timeout { what, after, .. }) => {
                return Error::Timeout { what, after, last_seen: self.printed() };
            }
            Err(other) => return other,
        };
        self.ended(launching, status, self.printed())
    }

    fn ended(&self, launching: bool, status: Status, log: String) -> Error {
        Error::Died {
            program: ToolKind::QemuIo.name().to_owned(),
            launching,
            status,
            command: self.child.command().to_owned(),
            monitor: String::new(),
            log,
        }
    }

    /// What it printed, after a command if one is named.
    fn output(&self, status: Status, command: &str, printed: String) -> Output {
        let after = if command.is_empty() { String::new() } else { format!(", at its prompt: {command}") };
        let command = format!("{}{after}", self.child.command());
        Output::of(command, status, printed)
    }
}

impl Drop for QemuIoInteractive {
    fn drop(&mut self) {
        if self.end_is_known || self.context.clock().is_no_time_to_wait() {
            return;
        }
        let quit = self.quit();
        if let Err(error) = quit
            && !self.child.was_killed_with_the_rest()
        {
            self.context.report_late(error);
        }
    }
}
