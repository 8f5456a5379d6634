//! What to start, and with which ends.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::{self, SigHandler, SigSet, Signal};
use nix::unistd::{getpid, getppid};

use super::{Child, Registry};
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

/// A command line and what its process shall inherit.
#[derive(Debug)]
pub struct Cmd {
    argv: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
    inherited: Vec<Arc<OwnedFd>>,
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
    pub fn inherit(self, fd: OwnedFd) -> Self {
        self.inherit_shared(Arc::new(fd))
    }

    /// As [`inherit`](Self::inherit), for a descriptor that stays open as long as others need it.
    #[must_use]
    pub fn inherit_shared(mut self, fd: Arc<OwnedFd>) -> Self {
        self.inherited.push(fd);
        self
    }

    /// What is run.
    pub fn program(&self) -> &OsStr {
        &self.argv[0]
    }

    /// The name of what is run, without its directory.
    pub(crate) fn short_name(&self) -> String {
        let path = Path::new(&self.argv[0]);
        path.file_name().unwrap_or(self.program()).to_string_lossy().into_owned()
    }

    /// The command line, quoted for a shell.
    pub fn line(&self) -> String {
        shell_words::join(self.argv.iter().map(|arg| arg.to_string_lossy()))
    }

    /// Starts it as the leader of a process group of its own that dies with the calling thread, with no signal
    /// blocked or ignored.
    ///
    /// The thread matters: the kernel ties the parent-death signal to it, so call this from one
    /// that lives as long as the child may.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started, or not be watched.
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
}

fn stdio(stream: Stream) -> Stdio {
    match stream {
        Stream::Null => Stdio::null(),
        Stream::Inherit => Stdio::inherit(),
        Stream::To(fd) => fd.into(),
    }
}

fn tie_to_parent(command: &mut Command, inherited: &[Arc<OwnedFd>]) {
    let harness = getpid();
    let fds: Vec<_> = inherited.iter().map(|fd| fd.as_raw_fd()).collect();
    let in_child = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // What the harness blocks or ignores would stay so in the child: a blocked SIGTERM could not end a server.
        for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP))
        {
            // SAFETY: the default action runs no code.
            unsafe { signal::signal(signal, SigHandler::SigDfl) }?;
        }
        SigSet::empty().thread_set_mask()?;
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
