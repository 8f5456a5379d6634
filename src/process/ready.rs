//! Waiting for the file by which a daemon says that it is ready.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Child, Deadline, Status};
use crate::error::{Error, Result};

/// What came first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The file is there, complete; this is what it says.
    File(String),
    /// The process ended instead.
    Ended(Status),
}

/// A pid file that is watched from before its writer starts.
#[derive(Debug)]
pub struct PidFileWatch<'a> {
    inotify: Inotify,
    path: &'a Path,
}

impl<'a> PidFileWatch<'a> {
    /// Starts watching for `path`, which must not exist yet.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it exists; [`Error::Io`] when its directory cannot be watched.
    pub fn new(path: &'a Path) -> Result<Self> {
        if path.exists() {
            return Err(Error::misuse(format!(
                "pid file {} exists: another server of the same name is running",
                path.display()
            )));
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        let watch = || -> Result<Inotify, Errno> {
            let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
            let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
            inotify.add_watch(dir, flags)?;
            Ok(inotify)
        };
        let inotify = watch().map_err(Error::os(format!("watch {}", dir.display())))?;
        Ok(Self { inotify, path })
    }

    /// Waits until the file holds a whole line or `child` has ended.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the deadline.
    pub fn wait(&self, child: &mut Child, deadline: Deadline) -> Result<Ready> {
        loop {
            // A file that exists but is still empty is being written.
            match std::fs::read_to_string(self.path) {
                Ok(text) if text.ends_with('\n') => return Ok(Ready::File(text)),
                _ => {}
            }
            if let Some(status) = child.try_status()? {
                return Ok(Ready::Ended(status));
            }
            let [changed, ended] = deadline
                .wait_readable([self.inotify.as_fd(), child.pidfd()])
                .map_err(Error::os("wait for a pid file"))?;
            if !(changed || ended) {
                return Err(Error::Timeout {
                    what: format!("{} to write its pid file {}", child.command(), self.path.display()),
                    after: deadline.elapsed(),
                    last_seen: String::new(),
                });
            }
            // What changed is read from the file itself; an empty queue is as good.
            let _ = self.inotify.read_events();
        }
    }
}
