//! Descriptors for QEMU: on its command line, or over the monitor.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::{Vm, VmBuilder};
use crate::error::{Error, Result};

impl VmBuilder {
    /// Hands a descriptor to QEMU as a member of a set (`qemu.machine: add_fd`). Ours stays open
    /// for further launches, until the VM is dropped.
    pub fn add_fd(self, fd: OwnedFd, set: u32, opaque: &str) -> Self {
        let number = fd.as_raw_fd();
        self.inherit_fd(fd).arg("-add-fd").arg(format!("fd={number},set={set},opaque={opaque}"))
    }

    /// Lets QEMU inherit a descriptor under the same number. Ours stays open for further launches,
    /// until the VM is dropped.
    pub fn inherit_fd(mut self, fd: OwnedFd) -> Self {
        self.passed_fds.push(Arc::new(fd));
        self
    }
}

impl Vm {
    /// Passes a descriptor over the monitor, for a `getfd` or `add-fd` to pick up
    /// (`qemu.machine: send_fd_scm`).
    ///
    /// # Errors
    /// [`Error::Io`] when the kernel refuses.
    pub fn send_fd(&mut self, fd: impl AsFd) -> Result<()> {
        let socket = self.running_mut("passing a descriptor")?.monitor.stream().as_raw_fd();
        let fds = [fd.as_fd().as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        // A blank byte, which the monitor's parser skips, carries the descriptor.
        sendmsg::<()>(socket, &[IoSlice::new(b" ")], &rights, MsgFlags::MSG_NOSIGNAL, None)
            .map(drop)
            .map_err(Error::os("pass a descriptor over the monitor"))
    }

    /// Opens a file read-only and passes it over the monitor
    /// (`qemu.machine: send_fd_scm(file_path)`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened or passed.
    pub fn send_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(format!("open {}", path.display())))?;
        self.send_fd(file)
    }
}
