//! What several tests of the harness need.

use std::os::fd::AsFd;
use std::time::Duration;

use iotests::process::Deadline;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Whether a process has ended; one that was sent SIGKILL gets a moment to do so.
pub(crate) fn is_gone(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return true };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    matches!(Deadline::after(Duration::from_secs(10)).wait_readable([pidfd.as_fd()]), Ok([true]))
}
