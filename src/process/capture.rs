//! Running a program to its end while collecting what it prints.

use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Child, Cmd, Deadline, Output, Registry, Stream};
use crate::error::{Error, Result};
use crate::output::{raw_text_of, readable, with_line_ends};

/// How much is read before other things are looked at.
const CHUNK: u64 = 64 * 1024;
/// The most that a pipe holds, unless root has raised the limit.
const PIPE_SIZE_MAX: u64 = 1 << 20;
/// The most that a tool may print.
pub(crate) const MOST_OUTPUT: usize = 256 << 20;
/// How many of the last lines of output the message of a time-out shows.
const TAIL_LINES: usize = 20;
/// How long a process that has ended may take to be reaped.
const REAP_LIMIT: Duration = Duration::from_secs(10);

/// Which streams a captured run keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// stdout and stderr into one text, in the order they were written.
    Merged,
    /// stdout and stderr each into its own.
    Apart,
}

impl Cmd {
    /// Runs it to its end and captures what it prints.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started, [`Error::Timeout`] at the deadline (the process
    /// group is killed then), [`Error::Flood`] when it prints without end. The exit status is
    /// not looked at.
    pub fn run(self, capture: Capture, deadline: Deadline, registry: &Registry) -> Result<Output> {
        let program = self.short_name();
        let (out_read, out_write) = pipe().map_err(Error::io("create a pipe"))?;
        let (err_read, err_write) = match capture {
            Capture::Merged => (None, out_write.try_clone()),
            Capture::Apart => {
                let (read, write) = pipe().map_err(Error::io("create a pipe"))?;
                (Some(read), Ok(write))
            }
        };
        let err_write = err_write.map_err(Error::io("duplicate a pipe"))?;
        let mut child =
            self.spawn(Stream::Null, Stream::To(out_write.into()), Stream::To(err_write.into()), registry)?;
        let mut streams = [Some(Collector::new(out_read)?), err_read.map(Collector::new).transpose()?];
        let ended = collect(&mut streams, &child, deadline)?;
        let command = child.command().to_owned();
        if let Ended::Flooded = ended {
            let beginnings = streams.iter().flatten().map(Collector::beginning);
            return Err(Error::Flood {
                program,
                command,
                limit: MOST_OUTPUT,
                printed: beginnings.collect::<Vec<_>>().join("\n"),
            });
        }
        let [(stdout, raw), (stderr, _)] =
            streams.map(|stream| stream.map(Collector::into_text).unwrap_or_default());
        if let Ended::TimedOut = ended {
            return Err(Error::Timeout {
                what: format!("the end of {command} (killed now)"),
                after: deadline.elapsed(),
                last_seen: tail(&format!("{stdout}{stderr}")),
            });
        }
        Ok(Output { status: child.wait(Deadline::after(REAP_LIMIT))?, command, stdout, stderr, raw })
    }
}

/// How the collection of a tool's output ended.
enum Ended {
    Exited,
    TimedOut,
    Flooded,
}

/// Collects what `child` prints until it has ended, whoever else may hold the pipes open.
fn collect(streams: &mut [Option<Collector>; 2], child: &Child, deadline: Deadline) -> Result<Ended> {
    loop {
        let fds = streams.each_ref().map(|stream| match stream {
            Some(collector) if !collector.ended => collector.pipe.as_fd(),
            _ => child.pidfd(),
        });
        let [first, second, exited] = deadline
            .wait_readable([fds[0], fds[1], child.pidfd()])
            .map_err(Error::os("wait for a tool's output"))?;
        for stream in streams.iter_mut().flatten() {
            // What it wrote before its end is in the pipe; a descendant may go on filling it.
            let most = if exited { PIPE_SIZE_MAX } else { CHUNK };
            stream.collect(most)?;
        }
        if exited {
            return Ok(Ended::Exited);
        }
        if streams.iter().flatten().map(|stream| stream.bytes.len()).sum::<usize>() > MOST_OUTPUT {
            return Ok(Ended::Flooded);
        }
        // A tool that prints without end is always readable.
        if !(first || second) || deadline.expired() {
            return Ok(Ended::TimedOut);
        }
    }
}

/// The last lines of a long text, for a message.
fn tail(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().rev().take(TAIL_LINES).collect();
    lines.reverse();
    lines.join("\n")
}

/// One pipe being read without blocking.
struct Collector {
    pipe: File,
    bytes: Vec<u8>,
    ended: bool,
}

impl Collector {
    fn new(pipe: PipeReader) -> Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(Error::os("set a pipe non-blocking"))?;
        Ok(Self { pipe: OwnedFd::from(pipe).into(), bytes: Vec::new(), ended: false })
    }

    /// Reads what is there, `most` bytes of it.
    fn collect(&mut self, most: u64) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        match (&self.pipe).take(most).read_to_end(&mut self.bytes) {
            Ok(count) => self.ended = (count as u64) < most,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Error::io("read a tool's output")(error)),
        }
        Ok(())
    }

    fn beginning(&self) -> String {
        readable(&self.bytes[..self.bytes.len().min(200)])
    }

    /// The text, and what it was if its lines ended otherwise.
    fn into_text(self) -> (String, Option<String>) {
        with_line_ends(raw_text_of(self.bytes))
    }
}
