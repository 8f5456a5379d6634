//! What to start, and with which ends.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};

use super::{Child, Deadline, Output, Registry};
use crate::error::{Error, Result};

/// Where a child's standard stream goes.
#[derive(Debug)]
pub enum Stream {
    /// Nowhere.
    Null,
    /// Where the harness's own goes.
    Inherit,
    /// Into this file or pipe end.
    To(OwnedFd),
}

/// Which streams a captured run keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// stdout and stderr into one text, in the order they were written.
    Merged,
    /// stdout and stderr each into its own.
    Apart,
}

/// A command line and what its process shall inherit.
#[derive(Debug)]
pub struct Cmd {
    argv: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
    inherited: Vec<OwnedFd>,
}

impl Cmd {
    /// A command without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { argv: vec![program.as_ref().to_owned()], env: Vec::new(), cwd: None, inherited: Vec::new() }
    }

    /// Appends one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.argv.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs the command through another program (gdbserver, valgrind), given with its own
    /// arguments.
    #[must_use]
    pub fn wrapped_in<S: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Self {
        self.argv.splice(0..0, wrapper.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes a variable from the child's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the child's working directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Hands a descriptor to the child under the same number; ours is closed once it has started.
    #[must_use]
    pub fn inherit(mut self, fd: OwnedFd) -> Self {
        self.inherited.push(fd);
        self
    }

    /// The command line, quoted for a shell.
    pub fn line(&self) -> String {
        shell_words::join(self.argv.iter().map(|arg| arg.to_string_lossy()))
    }

    /// Starts it as the leader of a process group of its own that dies with the calling thread.
    ///
    /// The thread matters: the kernel ties the parent-death signal to it, so call this from one
    /// that lives as long as the child may.
    pub fn spawn(self, stdin: Stream, stdout: Stream, stderr: Stream, registry: &Registry) -> Result<Child> {
        let line = self.line();
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).process_group(0);
        command.stdin(stdio(stdin)).stdout(stdio(stdout)).stderr(stdio(stderr));
        // Messages of the C library reach references: keep them in one language.
        command.env("LC_ALL", "C");
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        tie_to_parent(&mut command, &self.inherited);
        let inner = command.spawn().map_err(Error::io(format!("run {line}")))?;
        Child::adopt(inner, line, registry)
    }

    /// Runs it to its end and captures what it prints.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started, [`Error::Timeout`] at the deadline (the process
    /// group is killed then). The exit status is not looked at.
    pub fn run(self, capture: Capture, deadline: Deadline, registry: &Registry) -> Result<Output> {
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
        let timed_out = loop {
            let mut open = streams.iter_mut().flatten().filter(|stream| !stream.ended);
            // The child is watched as well: a daemon it left behind may keep the pipe open.
            let [first, second, exited] = match (open.next(), open.next()) {
                (None, _) => break false,
                (Some(a), None) => deadline.wait_readable([a.fd(), a.fd(), child.pidfd()]),
                (Some(a), Some(b)) => deadline.wait_readable([a.fd(), b.fd(), child.pidfd()]),
            }
            .map_err(Error::os("wait for a tool's output"))?;
            if !(first || second || exited) {
                break true;
            }
            for stream in streams.iter_mut().flatten() {
                stream.collect()?;
            }
            if exited {
                for stream in streams.iter_mut().flatten() {
                    stream.collect()?;
                }
                break false;
            }
        };
        let [stdout, stderr] = streams.map(|stream| stream.map(Collector::into_text).unwrap_or_default());
        let command = child.command().to_owned();
        if timed_out {
            drop(child);
            let last_seen = format!("{stdout}{stderr}");
            return Err(Error::Timeout {
                what: format!("{command} to end"),
                after: deadline.elapsed(),
                last_seen,
            });
        }
        let status = child.wait(deadline)?;
        Ok(Output { command, status, stdout, stderr })
    }
}

fn stdio(stream: Stream) -> Stdio {
    match stream {
        Stream::Null => Stdio::null(),
        Stream::Inherit => Stdio::inherit(),
        Stream::To(fd) => fd.into(),
    }
}

fn tie_to_parent(command: &mut Command, inherited: &[OwnedFd]) {
    let harness = getpid();
    let fds: Vec<_> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let in_child = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The harness may have died before the line above.
        if getppid() != harness {
            return Err(std::io::Error::from(nix::errno::Errno::ESRCH));
        }
        for fd in &fds {
            // SAFETY: the descriptor was open in the parent at the fork, so it is open here.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls that are
    // async-signal-safe; it neither allocates nor takes locks.
    unsafe { command.pre_exec(in_child) };
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

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    fn collect(&mut self) -> Result<()> {
        match self.pipe.read_to_end(&mut self.bytes) {
            Ok(_) => self.ended = true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Error::io("read a tool's output")(error)),
        }
        Ok(())
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
