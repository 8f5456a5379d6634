//! The qtest protocol: our end of the connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::error::{Error, Result};
use crate::output::readable;
use crate::process::{Deadline, Line, Patience, Wire};

/// Our end of the qtest connection.
#[derive(Debug)]
pub(super) struct QtestSocket {
    wire: Wire,
    /// How many answers are still to come; those of commands that were given up come first.
    owed: usize,
    /// The command that was only sent in part: nothing can follow it.
    cut_off: Option<String>,
}

impl QtestSocket {
    /// `alive` is a pidfd of QEMU.
    pub(super) fn new(stream: UnixStream, alive: OwnedFd) -> Result<Self> {
        Ok(Self { wire: Wire::new(stream, Some(alive), "qtest")?, owed: 0, cut_off: None })
    }

    /// Sends a command and returns the line that answers it, with its end.
    pub(super) fn ask(&mut self, command: &str, deadline: Deadline) -> Result<String> {
        self.send(command, deadline)?;
        self.owed += 1;
        let mut patience = Patience::until(deadline);
        loop {
            match self.wire.read_line(&mut patience)? {
                Line::Whole(mut line) => {
                    self.owed -= 1;
                    if self.owed == 0 {
                        line.push(b'\n');
                        return Ok(readable(&line));
                    }
                }
                Line::Nothing => {
                    return Err(timeout(format!("the answer to qtest command {command}"), deadline));
                }
                Line::TooLong(_) => {
                    return Err(broken("sent a line of qtest without an end".to_owned(), false));
                }
                Line::Closed(_) => {
                    let problem = format!("closed the qtest connection instead of answering {command}");
                    return Err(broken(problem, true));
                }
            }
        }
    }

    fn send(&mut self, command: &str, deadline: Deadline) -> Result<()> {
        if let Some(earlier) = &self.cut_off {
            let problem = format!("cannot be sent qtest command {command}: it took only a part of {earlier}");
            return Err(broken(problem, false));
        }
        self.wire.write(format!("{command}\n").as_bytes(), deadline).map_err(|error| match error {
            Error::Io { source, .. } => {
                let problem =
                    format!("closed the qtest connection before {command} could be sent ({source})");
                broken(problem, true)
            }
            Error::Timeout { .. } => {
                self.cut_off = Some(command.to_owned());
                timeout(format!("QEMU to take qtest command {command}"), deadline)
            }
            other => other,
        })
    }
}

fn timeout(what: String, deadline: Deadline) -> Error {
    Error::Timeout { what, after: deadline.elapsed(), last_seen: String::new() }
}

fn broken(problem: String, closed: bool) -> Error {
    Error::Monitor { peer: "QEMU".to_owned(), problem, closed, transcript: String::new() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write, pipe};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_late_answer_is_not_taken_for_the_next() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        // Never readable, as the descriptor of a process that lives.
        let (alive, _held) = pipe().expect("a pipe");
        let mut qtest = QtestSocket::new(ours, alive.into()).expect("a socket");
        let late = qtest.ask("slow", Deadline::after(Duration::from_millis(20)));
        assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
        let answers = std::thread::spawn(move || {
            let commands = BufReader::new(theirs.try_clone().expect("a copy")).lines();
            for command in commands.map_while(std::result::Result::ok) {
                theirs.write_all(format!("OK {command}\n").as_bytes()).expect("a reader");
            }
        });
        let answer = qtest.ask("quick", Deadline::after(Duration::from_secs(60)));
        assert_eq!(answer.expect("an answer"), "OK quick\n");
        drop(qtest);
        answers.join().expect("the end");
    }
}
