//! Lines over the monitor's socket, each read and write bounded by a deadline.

use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::error::{Error, Result};
use crate::process::Deadline;

/// How much room there is for a read, at least.
const CHUNK: usize = 64 * 1024;
/// A buffer that a long line made larger than this is given back.
const LARGE: usize = 1 << 20;
/// How many reads a wait may still make once its deadline has passed: enough for all that a socket
/// holds, so that a wait of no time sees everything that has arrived, but not for a flood.
const LATE_READS: u32 = 32;

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

/// How long one wait, which may read many lines, goes on.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Deadline,
    late_reads: u32,
}

impl Patience {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self { deadline, late_reads: 0 }
    }

    /// Whether not even what has arrived may be read any more.
    fn exhausted(&mut self) -> bool {
        if self.deadline.expired() {
            self.late_reads += 1;
        }
        self.late_reads > LATE_READS
    }
}

/// A socket that is read line by line. There is no limit to the length of a line.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// A pidfd: readable when the process at the other end is gone, which closes the socket unless
    /// a child of its own holds it.
    alive: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
    /// Start of the first line that was not handed out yet.
    start: usize,
    /// Everything before it was searched for a line's end already.
    searched: usize,
    /// Whether the last read took all that it had room for: there may be more.
    more: bool,
}

impl Wire {
    pub(super) fn new(stream: UnixStream, alive: Option<OwnedFd>) -> Result<Self> {
        stream.set_nonblocking(true).map_err(Error::io("set the monitor non-blocking"))?;
        Ok(Self { stream, alive, buffer: Vec::new(), filled: 0, start: 0, searched: 0, more: false })
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn read_line(&mut self, patience: &mut Patience) -> Result<Line> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Line::Whole(line));
            }
            let gone = !self.more && {
                let socket = self.stream.as_fd();
                let alive = self.alive.as_ref().map_or(socket, AsFd::as_fd);
                let ready = patience.deadline.wait_readable([socket, alive]);
                match ready.map_err(Error::os("wait for the monitor"))? {
                    [false, false] => return Ok(Line::Nothing),
                    // Its last words may have come after the socket was looked at.
                    [data, _] => !data,
                }
            };
            if patience.exhausted() {
                return Ok(Line::Nothing);
            }
            match self.fill()? {
                Fill::Data => {}
                Fill::Empty if !gone => {}
                Fill::Empty | Fill::Closed => return Ok(Line::Closed(self.take_rest())),
            }
        }
    }

    /// Writes all of it. Meanwhile what arrives is read, so that two ends that both write do not
    /// wait for each other.
    pub(super) fn write(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = deadline.wait_either_way(self.stream.as_fd());
                    if !ready.map_err(Error::os("wait for the monitor"))? || deadline.expired() {
                        return Err(Error::Timeout {
                            what: "the monitor to take a command".to_owned(),
                            after: deadline.elapsed(),
                            last_seen: String::new(),
                        });
                    }
                    if matches!(self.fill()?, Fill::Closed) {
                        return Err(Error::io("write to the monitor")(IoError::from(ErrorKind::BrokenPipe)));
                    }
                }
                Err(error) => return Err(Error::io("write to the monitor")(error)),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<Fill> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.filled < CHUNK {
            self.buffer.resize((2 * self.filled).max(self.filled + CHUNK), 0);
        }
        let room = self.buffer.len() - self.filled;
        let read = loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.more = matches!(read, Ok(count) if count == room);
        match read {
            Ok(0) => Ok(Fill::Closed),
            Ok(count) => {
                self.filled += count;
                Ok(Fill::Data)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Fill::Empty),
            // A peer that dies with unread data behind it resets the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Fill::Closed),
            Err(error) => Err(Error::io("read from the monitor")(error)),
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let Some(length) = memchr::memchr(b'\n', &self.buffer[self.searched..self.filled]) else {
            self.searched = self.filled;
            return None;
        };
        let end = self.searched + length;
        let line = self.buffer[self.start..end].trim_ascii_end().to_vec();
        self.start = end + 1;
        self.searched = self.start;
        if self.start == self.filled && self.buffer.len() > LARGE {
            self.reset();
        }
        Some(line)
    }

    fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer[self.start..self.filled].trim_ascii().to_vec();
        self.reset();
        rest
    }

    fn reset(&mut self) {
        self.buffer = Vec::new();
        self.filled = 0;
        self.start = 0;
        self.searched = 0;
    }
}
