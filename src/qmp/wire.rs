//! Lines over the monitor's socket, each read and write bounded by a deadline.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::error::{Error, Result};
use crate::process::Deadline;

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// What came of waiting for a line.
pub(super) enum Line {
    /// A whole line, without its end.
    Whole(Vec<u8>),
    /// Nothing until the deadline.
    Nothing,
    /// The other end is closed; with what was left of an unfinished line.
    Closed(Vec<u8>),
}

enum Fill {
    Data,
    Empty,
    Closed,
}

/// A socket that is read line by line. There is no limit to the length of a line.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// A pidfd: readable when the process at the other end is gone, which closes the socket unless
    /// a child of its own holds it.
    alive: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// Start of the first line that was not handed out yet.
    start: usize,
    /// Everything before it was searched for a line's end already.
    searched: usize,
}

impl Wire {
    pub(super) fn new(stream: UnixStream, alive: Option<OwnedFd>) -> Result<Self> {
        stream.set_nonblocking(true).map_err(Error::io("set the monitor non-blocking"))?;
        Ok(Self { stream, alive, buffer: Vec::new(), start: 0, searched: 0 })
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn read_line(&mut self, deadline: Deadline) -> Result<Line> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Line::Whole(line));
            }
            match self.fill()? {
                Fill::Data => continue,
                Fill::Closed => return Ok(Line::Closed(self.take_rest())),
                Fill::Empty => {}
            }
            let socket = self.stream.as_fd();
            let alive = self.alive.as_ref().map_or(socket, AsFd::as_fd);
            let [data, gone] =
                deadline.wait_readable([socket, alive]).map_err(Error::os("wait for the monitor"))?;
            // When both are ready, its last words are read first.
            match (data, gone && self.alive.is_some()) {
                (true, _) => {}
                (false, true) => return Ok(Line::Closed(self.take_rest())),
                (false, false) => return Ok(Line::Nothing),
            }
        }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = deadline.wait_writable(self.stream.as_fd());
                    if !ready.map_err(Error::os("wait for the monitor"))? {
                        return Err(Error::Timeout {
                            what: "the monitor to take a command".to_owned(),
                            after: deadline.elapsed(),
                            last_seen: String::new(),
                        });
                    }
                }
                Err(error) => return Err(Error::io("write to the monitor")(error)),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<Fill> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Ok(Fill::Closed),
            Ok(_) => Ok(Fill::Data),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Fill::Empty),
            // A peer that dies with unread data behind it resets the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Fill::Closed),
            Err(error) => Err(Error::io("read from the monitor")(error)),
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            None => {
                self.searched = self.buffer.len();
                None
            }
            Some(length) => {
                let end = self.searched + length;
                let line = self.buffer[self.start..end].trim_ascii_end().to_vec();
                self.start = end + 1;
                self.searched = self.start;
                Some(line)
            }
        }
    }

    fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer[self.start..].trim_ascii().to_vec();
        self.buffer.clear();
        self.start = 0;
        self.searched = 0;
        rest
    }
}
