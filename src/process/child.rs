//! One running child: its process group, its pidfd, and its certain end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Deadline, Registry, Status};
use crate::error::{Error, Result};

/// How long the kernel gets to take down a process after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A child process, leader of its own group. Dropping it kills the group and reaps the child.
#[derive(Debug)]
#[must_use = "dropping a child kills it"]
pub struct Child {
    inner: std::process::Child,
    pidfd: OwnedFd,
    group: Pid,
    command: String,
    registry: Registry,
    status: Option<Status>,
}

impl Child {
    pub(super) fn adopt(
        mut inner: std::process::Child,
        command: String,
        registry: &Registry,
    ) -> Result<Self> {
        let raw = inner.id() as i32;
        let pidfd = rustix::process::Pid::from_raw(raw)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pidfd = match pidfd {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                let _ = inner.kill();
                let _ = inner.wait();
                return Err(Error::io(format!("open a pidfd for {command}"))(errno.into()));
            }
        };
        let group = Pid::from_raw(raw);
        registry.insert(group);
        Ok(Self { inner, pidfd, group, command, registry: registry.clone(), status: None })
    }

    /// Its process id, also that of its group.
    pub fn pid(&self) -> Pid {
        self.group
    }

    /// Its command line, quoted for a shell.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Readable once it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it ended because all that its trial had started was killed.
    pub(crate) fn was_killed_with_the_rest(&self) -> bool {
        self.status == Some(Status::Signalled(Signal::SIGKILL as i32)) && self.registry.is_closed()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not report it.
    pub fn try_status(&mut self) -> Result<Option<Status>> {
        self.wait_until(Deadline::after(Duration::ZERO))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the deadline; the child runs on.
    pub fn wait(&mut self, deadline: Deadline) -> Result<Status> {
        self.wait_until(deadline)?.ok_or_else(|| Error::Timeout {
            what: format!("the end of {}", self.command),
            after: deadline.elapsed(),
            last_seen: String::new(),
        })
    }

    /// Sends a signal to the child alone; one that has ended is left in peace.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses to send it.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_status()?.is_some() {
            return Ok(());
        }
        kill(self.group, signal).map_err(Error::os(format!("send {signal} to {}", self.command)))
    }

    /// Kills the whole group and reaps the child.
    ///
    /// # Errors
    /// [`Error::Timeout`] when not even that ends it in time; [`Error::Io`] when the system does not report how it ended.
    pub fn kill(&mut self) -> Result<Status> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        // Nothing left to kill is fine: the wait below finds out how it ended.
        let _ = killpg(self.group, Signal::SIGKILL);
        self.wait(Deadline::after(KILL_LIMIT))
    }

    fn wait_until(&mut self, deadline: Deadline) -> Result<Option<Status>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let [ended] = deadline
            .wait_readable([self.pidfd.as_fd()])
            .map_err(Error::os(format!("wait for {}", self.command)))?;
        if !ended {
            return Ok(None);
        }
        // The unreaped leader still holds the group's number: take what it left behind with it.
        let _ = killpg(self.group, Signal::SIGKILL);
        self.registry.remove(self.group);
        let status = self.inner.wait().map_err(Error::io(format!("reap {}", self.command)))?;
        self.status = Some(status.into());
        Ok(self.status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
