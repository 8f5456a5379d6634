//! qemu-io, run to its end or spoken to over its prompt.

use std::fs::File;
use std::io::{ErrorKind, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::args::io_wrap_args;
use super::run::{RunningTool, words};
use crate::context::Context;
use crate::env::ToolKind;
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::output::text_of;
use crate::process::{Capture, Child, Deadline, MOST_OUTPUT, Output, Status, Stream};
use crate::test::Test;

const PROMPT: &[u8] = b"qemu-io> ";
/// How much is read at a time.
const CHUNK: u64 = 64 * 1024;
/// How long a qemu-io that has closed its output may take to end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

/// Whether what qemu-io printed tells of a request that failed, of data that is not what `read -P`
/// demands, or of a command that it did not understand.
pub(crate) fn tells_of_failure(printed: &str) -> bool {
    // That a breakpoint could not be removed is no failure: one that was met is gone.
    const BEGINNINGS: [&str; 5] = [
        "Could not set breakpoint: ",
        "Could not resume request: ",
        "Parsing error: ",
        "bad argument count ",
        "command \"",
    ];
    printed.lines().any(|line| {
        line.contains(" failed: ")
            || line.starts_with("Pattern verification failed")
            || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
    })
}

impl Test {
    /// Runs qemu-io (`iotests.py: qemu_io`, `qemu_io_silent`). The tested format is given by `-f`
    /// unless the arguments name one themselves: see [`io_wrap_args`].
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, [`Error::Crash`] for death by a signal.
    pub fn qemu_io<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = self.qemu_io_args(&words(args))?;
        self.run_tool(ToolKind::QemuIo, &args, Capture::Merged)
    }

    /// Runs qemu-io and logs what it prints, whatever its exit status, with scratch files and
    /// times hidden (`iotests.py: qemu_io_log`). The output comes back as it was.
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal.
    pub fn qemu_io_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let output = self.qemu_io(args).unchecked()?;
        self.log_with(output.stdout.as_str(), &[self.filter_testfiles(), Filter::qemu_io()]);
        Ok(output)
    }

    /// Whether qemu-io succeeds (`iotests.py: qemu_io_silent_check`).
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal, which the seed takes for a mere failure.
    pub fn qemu_io_check<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<bool> {
        Ok(self.qemu_io(args).unchecked()?.success())
    }

    /// Starts qemu-io to run beside the case (`iotests.py: qemu_io_popen`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn qemu_io_start<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<RunningTool> {
        self.start_tool(ToolKind::QemuIo, &self.qemu_io_args(&words(args))?)
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
        Ok(io_wrap_args(args, &base, env.qemu_io_options_no_fmt()))
    }
}

/// A qemu-io that waits for commands (`iotests.py: QemuIoInteractive`). Dropping it ends the
/// process; a crash before that fails the trial.
#[derive(Debug)]
#[must_use = "dropping it kills qemu-io"]
pub struct QemuIoInteractive {
    child: Child,
    stdin: File,
    stdout: File,
    unread: Vec<u8>,
    context: Arc<Context>,
    /// Whether how it ended, if it did, is known to the case.
    end_told: bool,
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
            end_told: false,
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
    /// [`Error::Assertion`] for a command with a line end, or one that quits: that is
    /// [`close`](Self::close)'s to do. [`Error::Died`] when qemu-io ends instead of answering;
    /// [`Error::Timeout`] at the trial's deadline.
    pub fn cmd(&mut self, command: &str) -> Result<String> {
        if command.contains('\n') {
            return Err(Error::assertion(format!(
                "a qemu-io command is one line, this is more: {command:?}"
            )));
        }
        let command = command.trim();
        if matches!(command, "q" | "quit") {
            return Err(Error::assertion("end an interactive qemu-io by close(), not by a quit command"));
        }
        self.send(command)?;
        self.read_to_prompt(command, false)
    }

    /// Quits and waits for the end; any exit status is fine.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the trial's deadline, [`Error::Crash`] for death by a signal.
    pub fn close(mut self) -> Result<()> {
        self.end_told = true;
        self.send("q")?;
        let deadline = self.context.deadline();
        while !self.read_more()? {
            self.wait_for_output("qemu-io to end after a quit", deadline)?;
        }
        let status = self.child.wait(self.context.limit(LAST_WORDS_LIMIT))?;
        self.crash(status).map_or(Ok(()), Err)
    }

    /// Kills it: what it has not written yet is lost.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not end even then.
    pub fn kill(mut self) -> Result<()> {
        self.end_told = true;
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
                return Ok(text_of(text));
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
            self.end_told = true;
            self.child.kill()?;
            return Err(Error::assertion(format!(
                "{} printed more than {} MiB without a prompt and was killed; the last of it:\n{}",
                self.child.command(),
                MOST_OUTPUT >> 20,
                self.printed()
            )));
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
        text_of(self.unread[self.unread.len().saturating_sub(MOST)..].to_vec())
    }

    fn died(&mut self, launching: bool) -> Error {
        self.end_told = true;
        let status = match self.child.wait(self.context.limit(LAST_WORDS_LIMIT)) {
            Ok(status) => status,
            Err(Error::Timeout { what, after, .. }) => {
                return Error::Timeout { what, after, last_seen: self.printed() };
            }
            Err(other) => return other,
        };
        Error::Died {
            program: ToolKind::QemuIo.name().to_owned(),
            launching,
            status,
            command: self.child.command().to_owned(),
            monitor: String::new(),
            log: self.printed(),
        }
    }

    fn crash(&self, status: Status) -> Option<Error> {
        status.signal()?;
        Some(Error::Crash {
            program: ToolKind::QemuIo.name().to_owned(),
            output: Box::new(Output {
                command: self.child.command().to_owned(),
                status,
                stdout: self.printed(),
                stderr: String::new(),
            }),
        })
    }
}

impl Drop for QemuIoInteractive {
    fn drop(&mut self) {
        if !self.end_told
            && let Ok(Some(status)) = self.child.try_status()
            && !self.child.was_killed_with_the_rest()
            && let Some(crash) = self.crash(status)
        {
            self.context.report_late(crash);
        }
    }
}
