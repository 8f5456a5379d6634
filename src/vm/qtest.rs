//! The qtest protocol: the virtual clock.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::Vm;
use crate::error::{Error, Result};
use crate::process::Deadline;

/// Our end of the qtest connection.
#[derive(Debug)]
pub(super) struct QtestSocket {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl QtestSocket {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    fn ask(&mut self, command: &str, deadline: Deadline) -> Result<String> {
        self.stream
            .write_all(format!("{command}\n").as_bytes())
            .map_err(Error::io(format!("send qtest command {command}")))?;
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            let [ready] =
                deadline.wait_readable([self.stream.as_fd()]).map_err(Error::os("wait for qtest"))?;
            if !ready {
                return Err(Error::Timeout {
                    what: format!("the answer to qtest command {command}"),
                    after: deadline.elapsed(),
                    last_seen: String::from_utf8_lossy(&self.unread).into_owned(),
                });
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    return Err(Error::Monitor {
                        peer: "QEMU".to_owned(),
                        problem: format!("closed the qtest connection instead of answering {command}"),
                        closed: true,
                        transcript: String::new(),
                    });
                }
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read from qtest")(error)),
            }
        }
    }
}

impl Vm {
    /// Sends a qtest command and returns the one line of its answer, with its end
    /// (`qemu.machine: QEMUQtestMachine.qtest`).
    ///
    /// # Errors
    /// [`Error::Skip`] when this QEMU runs without the qtest accelerator;
    /// [`Error::Timeout`] at the trial's deadline.
    pub fn qtest(&mut self, command: &str) -> Result<String> {
        let deadline = self.test().context().deadline();
        match &mut self.running_mut("qtest")?.qtest {
            Some(qtest) => qtest.ask(command, deadline).map_err(|error| self.explain(error)),
            None => Err(Error::Skip("needs QEMU's qtest accelerator, which this binary lacks".to_owned())),
        }
    }

    /// Steps the virtual clock by this many nanoseconds, or to its next timer.
    ///
    /// # Errors
    /// Those of [`Vm::qtest`]; [`Error::Assertion`] when QEMU refuses.
    pub fn clock_step(&mut self, nanoseconds: Option<u64>) -> Result<()> {
        let command = match nanoseconds {
            Some(nanoseconds) => format!("clock_step {nanoseconds}"),
            None => "clock_step".to_owned(),
        };
        let answer = self.qtest(&command)?;
        if answer.starts_with("OK") {
            return Ok(());
        }
        Err(Error::assertion(format!("qtest command {command} was answered: {answer}")))
    }
}
