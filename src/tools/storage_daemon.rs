//! qemu-storage-daemon, with an optional monitor.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::daemon::{self, Daemon, IN_FOREGROUND};
use super::run::words;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::Status;
use crate::qmp::{Args, EventMatch, Monitor, error_of};
use crate::test::Test;

/// How long its monitor may take to come up (upstream's later `QemuStorageDaemon`).
const MONITOR_LIMIT: Duration = Duration::from_secs(15);
/// How long an event is waited for.
const EVENT_LIMIT: Duration = Duration::from_secs(60);
/// How long one that has closed its monitor may take to end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

impl Test {
    /// A storage daemon that is yet to be started (`iotests.py: QemuStorageDaemon`).
    pub fn storage_daemon<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> StorageDaemonBuilder {
        StorageDaemonBuilder { test: self.clone(), args: words(args), instance: "a".to_owned(), qmp: false }
    }
}

/// What a storage daemon is started with.
#[derive(Debug)]
#[must_use = "a storage daemon does nothing until it is started"]
pub struct StorageDaemonBuilder {
    test: Test,
    args: Vec<String>,
    instance: String,
    qmp: bool,
}

impl StorageDaemonBuilder {
    /// Tells several daemons of one trial apart; `a` by default.
    pub fn instance(mut self, id: &str) -> Self {
        id.clone_into(&mut self.instance);
        self
    }

    /// With a monitor (upstream's later `qmp=True`).
    pub fn qmp(mut self) -> Self {
        self.qmp = true;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::Died`] with exit status, command line and output when it ends early;
    /// [`Error::Misuse`] for `--daemonize` and `--pidfile`.
    pub fn start(self) -> Result<StorageDaemon> {
        let own =
            [("--daemonize", IN_FOREGROUND), ("--pidfile", "the harness chooses the daemon's pid file")];
        daemon::refuse(&self.args, &own)?;
        let Self { test, args, instance, qmp } = self;
        let context = test.context();
        let pid_file = context.scratch().file(&format!("qsd-{instance}-pid"));
        let mut cmd = test
            .tool_cmd(ToolKind::QemuStorageDaemon)?
            .args(&context.env().tool(ToolKind::QemuStorageDaemon)?.options)
            .args(&args)
            .args(["--pidfile", &pid_file]);
        let mut ours = None;
        if qmp {
            let (near, far) = UnixStream::pair().map_err(Error::io("create a socket pair"))?;
            let far = OwnedFd::from(far);
            let number = std::os::fd::AsRawFd::as_raw_fd(&far);
            cmd = cmd
                .args(["--chardev".to_owned(), format!("socket,id=qmp-sock,fd={number}")])
                .args(["--monitor", "qmp-sock"])
                .inherit(far);
            ours = Some(near);
        }
        let kind = ToolKind::QemuStorageDaemon;
        let daemon = Daemon::start(&test, kind, cmd, pid_file)?.serving(kind)?;
        let alive = daemon.child.pidfd().try_clone_to_owned().map_err(Error::io("duplicate a pidfd"))?;
        let transcript = context.scratch().artefact(&format!("qmp-qsd-{instance}"));
        let deadline = context.limit(MONITOR_LIMIT);
        let mut started = StorageDaemon { test: test.clone(), daemon: Some(daemon), monitor: None };
        if let Some(stream) = ours {
            let connected =
                Monitor::negotiate(stream, kind.name(), Some(alive), Some(transcript.as_path()), deadline);
            started.monitor = Some(connected.map_err(|error| started.explain(error))?);
        }
        Ok(started)
    }
}

/// A running storage daemon (`iotests.py: QemuStorageDaemon`). Dropping it asks it to end (SIGTERM) and waits until it
/// has; if it ends badly, the trial fails.
#[derive(Debug)]
#[must_use = "dropping it ends the daemon"]
pub struct StorageDaemon {
    test: Test,
    daemon: Option<Daemon>,
    monitor: Option<Monitor>,
}

impl StorageDaemon {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().map_or(0, |daemon| daemon.child.pid().as_raw())
    }

    /// Sends a command and returns the reply, `return` or `error`.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a monitor; [`Error::Died`] when it has ended; those of
    /// [`Monitor::execute`].
    pub fn qmp(&mut self, command: &str, arguments: impl Into<Args>) -> Result<Value> {
        let deadline = self.test.context().deadline();
        let reply = self.monitor(command)?.execute(command, arguments, deadline);
        reply.map_err(|error| self.explain(error))
    }

    /// Sends a command and returns the value of its `return`.
    ///
    /// # Errors
    /// [`Error::Qmp`] for an error reply; those of [`StorageDaemon::qmp`].
    pub fn cmd(&mut self, command: &str, arguments: impl Into<Args>) -> Result<Value> {
        let mut reply = self.qmp(command, arguments)?;
        match error_of(command, &reply) {
            Some(error) => Err(error.into()),
            None => Ok(reply["return"].take()),
        }
    }

    /// Waits for an event, 60 s at most. Events that are passed over stay for later waits.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a monitor; [`Error::Timeout`], showing what was seen last;
    /// [`Error::Died`] when it ends meanwhile.
    pub fn event_wait(&mut self, wanted: impl Into<EventMatch>) -> Result<Value> {
        let deadline = self.test.context().limit(EVENT_LIMIT);
        let event = self.monitor("waiting for an event")?.wait_event(&[wanted.into()], deadline);
        event.map_err(|error| self.explain(error))
    }

    fn monitor(&mut self, what: &str) -> Result<&mut Monitor> {
        let without = || Error::misuse(format!("{what}: this storage daemon was started without .qmp()"));
        self.monitor.as_mut().ok_or_else(without)
    }

    /// Asks it to end (SIGTERM) and waits until it has (`iotests.py: QemuStorageDaemon.stop`).
    ///
    /// # Errors
    /// [`Error::Died`] when it ended with a bad status or had ended before;
    /// [`Error::Timeout`] when it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), Daemon::stop)
    }

    /// As [`stop`](Self::stop) with another signal, such as SIGKILL; any way to end is fine.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended before; [`Error::Timeout`] when it does not end.
    pub fn kill(mut self, signal: Signal) -> Result<Status> {
        let Some(daemon) = self.daemon.take() else {
            return Err(Error::misuse("this storage daemon was stopped already"));
        };
        Ok(daemon.end_by(signal)?.0)
    }

    /// If the monitor broke because the daemon ended, that end is the error, with the daemon's last words.
    fn explain(&mut self, error: Error) -> Error {
        match (error, &mut self.daemon) {
            (Error::Monitor { closed: true, peer, problem, transcript }, Some(daemon)) => {
                match daemon.child.wait(self.test.context().limit(LAST_WORDS_LIMIT)) {
                    Ok(status) => daemon.died(status, format!("{problem}\n{transcript}")),
                    Err(_) => Error::Monitor { closed: true, peer, problem, transcript },
                }
            }
            (error, _) => error,
        }
    }
}
