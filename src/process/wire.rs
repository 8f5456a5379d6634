//! Lines over a socket of QEMU's, the monitor's or qtest's, each read and write bounded by a deadline.

use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::Deadline;
use crate::error::{Error, Result};

/// How much room there is for a read, at least.
const CHUNK: usize = 64 * 1024;
/// A buffer that a long line made larger than this is given back.
const LARGE: usize = 1 << 20;
/// How long a line can be: a peer that never ends one shall not fill the memory.
const LONGEST_LINE: usize = 256 << 20;
/// How many reads a wait may still make once its deadline has passed: enough for all that a socket
/// holds, so that a wait of no time sees everything that has arrived, but not for a flood.
const LATE_READS: u32 = 32;

/// What came of waiting for a line.
pub(crate) enum Line {
    /// A whole line, without its end.
    Whole(Vec<u8>),
    /// Nothing until the deadline.
    Nothing,
    /// The beginning of a line that is too long.
    TooLong(Vec<u8>),
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
pub(crate) struct Patience {
    deadline: Deadline,
    late_reads: u32,
}

impl Patience {
    pub(crate) fn until(deadline: Deadline) -> Self {
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

/// A socket that is read line by line.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    /// Whose it is, for messages.
    what: &'static str,
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
    longest_line: usize,
}

impl Wire {
    pub(crate) fn new(stream: UnixStream, alive: Option<OwnedFd>, what: &'static str) -> Result<Self> {
        stream.set_nonblocking(true).map_err(Error::io(format!("set {what} non-blocking")))?;
        Ok(Self {
            stream,
            what,
            alive,
            buffer: Vec::new(),
            filled: 0,
            start: 0,
            searched: 0,
            more: false,
            longest_line: LONGEST_LINE,
        })
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(crate) fn longest_line(&self) -> usize {
        self.longest_line
    }

    pub(crate) fn read_line(&mut self, patience: &mut Patience) -> Result<Line> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Line::Whole(line));
            }
            if self.filled - self.start > self.longest_line {
                return Ok(Line::TooLong(
                    self.buffer[self.start..self.filled.min(self.start + CHUNK)].to_vec(),
                ));
            }
            let gone = !self.more && {
                let socket = self.stream.as_fd();
                let alive = self.alive.as_ref().map_or(socket, AsFd::as_fd);
                let ready = patience.deadline.wait_readable([socket, alive]);
                match ready.map_err(|errno| self.failed("wait for", errno.into()))? {
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
    pub(crate) fn write(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = deadline.wait_either_way(self.stream.as_fd());
                    if !ready.map_err(|errno| self.failed("wait for", errno.into()))? || deadline.expired() {
                        return Err(Error::Timeout {
                            what: format!("{} to take a command", self.what),
                            after: deadline.elapsed(),
                            last_seen: String::new(),
                        });
                    }
                    if matches!(self.fill()?, Fill::Closed) {
                        return Err(self.failed("write to", ErrorKind::BrokenPipe.into()));
                    }
                    if self.filled - self.start > self.longest_line {
                        return Err(Error::Monitor {
                            peer: self.what.to_owned(),
                            problem: "is full of messages, and takes none".to_owned(),
                            closed: false,
                            transcript: String::new(),
                        });
                    }
                }
                Err(error) => return Err(self.failed("write to", error)),
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
            Err(error) => Err(self.failed("read from", error)),
        }
    }

    fn failed(&self, verb: &str, source: IoError) -> Error {
        Error::Io { what: format!("{verb} {}", self.what), source }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_without_an_end_is_cut() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut wire = Wire::new(ours, None, "the monitor").expect("a wire");
        wire.longest_line = 100_000;
        let mut patience = Patience::until(Deadline::after(Duration::from_secs(60)));
        theirs.write_all(&[b'x'; 100_000]).expect("room");
        theirs.write_all(b"\n").expect("room");
        assert!(matches!(wire.read_line(&mut patience), Ok(Line::Whole(line)) if line.len() == 100_000));
        let endless = std::thread::spawn(move || while theirs.write_all(&[b'x'; 1000]).is_ok() {});
        assert!(matches!(wire.read_line(&mut patience), Ok(Line::TooLong(start)) if start.len() == CHUNK));
        drop(wire);
        endless.join().expect("the end");
    }
}
