//! qemu-io, run to its end or spoken to over its prompt.

use std::fs::File;
use std::io::{ErrorKind, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::args::io_wrap_args;
use super::run::words;
use crate::env::ToolKind;
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::process::{Capture, Child, Deadline, Output, Stream};
use crate::test::Test;

const PROMPT: &[u8] = b"qemu-io> ";

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
/// process.
#[derive(Debug)]
pub struct QemuIoInteractive {
    child: Child,
    stdin: File,
    stdout: File,
    unread: Vec<u8>,
    deadline: Deadline,
}

impl QemuIoInteractive {
    fn start(test: &Test, args: &[String]) -> Result<Self> {
        let cmd = test.tool_cmd(ToolKind::QemuIo)?.args(test.qemu_io_args(args)?);
        let (stdin_read, stdin_write) = pipe().map_err(Error::io("create a pipe"))?;
        let (stdout_read, stdout_write) = pipe().map_err(Error::io("create a pipe"))?;
        let stderr_write = stdout_write.try_clone().map_err(Error::io("duplicate a pipe"))?;
        fcntl(&stdout_read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(Error::os("set a pipe non-blocking"))?;
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
            deadline: test.context().deadline(),
        };
        started.read_to_prompt("start", true)?;
        Ok(started)
    }

    /// Runs one command and returns what it printed, up to the next prompt.
    ///
    /// # Errors
    /// [`Error::Assertion`] for a command with a line end, or one that quits: that is
    /// [`close`](Self::close)'s to do. [`Error::Died`] when qemu-io ends instead of answering.
    pub fn cmd(&mut self, command: &str) -> Result<String> {
        let command = command.trim();
        if command.contains('\n') {
            return Err(Error::assertion(format!(
                "a qemu-io command is one line, this is more: {command:?}"
            )));
        }
        if matches!(command, "q" | "quit") {
            return Err(Error::assertion("end an interactive qemu-io by close(), not by a quit command"));
        }
        // A qemu-io that is gone shows itself in the read below, with its last words.
        let _ = self.stdin.write_all(format!("{command}\n").as_bytes());
        self.read_to_prompt(command, false)
    }

    /// Quits and waits for the end.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the trial's deadline, [`Error::Crash`] for death by a signal.
    pub fn close(mut self) -> Result<()> {
        // It may have ended by itself.
        let _ = self.stdin.write_all(b"q\n");
        let status = self.child.wait(self.deadline)?;
        match status.signal() {
            None => Ok(()),
            Some(_) => {
                let _ = self.stdout.read_to_end(&mut self.unread);
                Err(Error::Crash {
                    program: ToolKind::QemuIo.name().to_owned(),
                    output: Box::new(Output {
                        command: self.child.command().to_owned(),
                        status,
                        stdout: String::from_utf8_lossy(&self.unread).into_owned(),
                        stderr: String::new(),
                    }),
                })
            }
        }
    }

    fn read_to_prompt(&mut self, command: &str, launching: bool) -> Result<String> {
        let mut searched = 0;
        loop {
            let found = self.unread[searched..].windows(PROMPT.len()).position(|window| window == PROMPT);
            if let Some(at) = found {
                let rest = self.unread.split_off(searched + at + PROMPT.len());
                let mut text = std::mem::replace(&mut self.unread, rest);
                text.truncate(searched + at);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            searched = self.unread.len().saturating_sub(PROMPT.len() - 1);
            match self.stdout.read_to_end(&mut self.unread) {
                Ok(_) => return Err(self.died(launching)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::io("read from qemu-io")(error)),
            }
            if self.unread.len() >= searched + PROMPT.len() {
                continue;
            }
            let [ready] =
                self.deadline.wait_readable([self.stdout.as_fd()]).map_err(Error::os("wait for qemu-io"))?;
            if !ready {
                return Err(Error::Timeout {
                    what: format!("qemu-io's prompt after {command:?}"),
                    after: self.deadline.elapsed(),
                    last_seen: String::from_utf8_lossy(&self.unread).into_owned(),
                });
            }
        }
    }

    fn died(&mut self, launching: bool) -> Error {
        let status = match self.child.wait(self.deadline) {
            Ok(status) => status,
            Err(error) => return error,
        };
        Error::Died {
            program: ToolKind::QemuIo.name().to_owned(),
            launching,
            status,
            command: self.child.command().to_owned(),
            log: String::from_utf8_lossy(&self.unread).into_owned(),
        }
    }
}
