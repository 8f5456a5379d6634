//! When a wait must end.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The moment after which a wait gives up; possibly never (under a debugger).
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    at: Option<Instant>,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        let start = Instant::now();
        Self { start, at: start.checked_add(limit) }
    }

    /// No limit at all.
    pub fn never() -> Self {
        Self { start: Instant::now(), at: None }
    }

    /// A wait that starts now and ends after `limit` or at this deadline, whichever comes first.
    pub fn at_most(&self, limit: Duration) -> Self {
        let mine = Self::after(limit);
        let at = match (mine.at, self.at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { at, ..mine }
    }

    /// Whether it has passed.
    pub fn expired(&self) -> bool {
        self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// What is left; `None` without a limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Time since the deadline was set.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until one of `fds` is readable (or closed) and says which are; all false at the
    /// deadline.
    ///
    /// # Errors
    /// What `poll` fails with; an interruption is none.
    pub fn wait_readable<const N: usize>(&self, fds: [BorrowedFd<'_>; N]) -> Result<[bool; N], Errno> {
        self.wait(fds, PollFlags::POLLIN)
    }

    /// Waits until `fd` takes more data, has some, or is closed; false at the deadline.
    ///
    /// # Errors
    /// As [`wait_readable`](Self::wait_readable).
    pub fn wait_either_way(&self, fd: BorrowedFd<'_>) -> Result<bool, Errno> {
        self.wait([fd], PollFlags::POLLIN | PollFlags::POLLOUT).map(|[ready]| ready)
    }

    fn wait<const N: usize>(&self, fds: [BorrowedFd<'_>; N], what: PollFlags) -> Result<[bool; N], Errno> {
        let mut polled = fds.map(|fd| PollFd::new(fd, what));
        loop {
            let timeout = match self.remaining() {
                None => PollTimeout::NONE,
                // Rounded up, so that a wait never spins through its last millisecond.
                Some(left) => {
                    PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
                }
            };
            match poll(&mut polled, timeout) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(0) if !self.expired() => {}
                Ok(_) => return Ok(polled.map(|fd| fd.any().unwrap_or(true))),
            }
        }
    }
}
