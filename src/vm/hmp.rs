//! The human monitor, and what only it can do: qemu-io commands on a running VM's drives.

use serde_json::{Value, json};

use super::Vm;
use crate::error::{Error, Result};

impl Vm {
    /// Runs a command of the human monitor; the reply holds what it printed, if it printed to the
    /// monitor (`iotests.py: VM.hmp`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn hmp(&mut self, command_line: &str) -> Result<Value> {
        self.qmp("human-monitor-command", json!({ "command-line": command_line }))
    }

    /// As [`Vm::hmp`], command and reply logged (`iotests.py: VM.hmp(use_log=True)`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn hmp_log(&mut self, command_line: &str) -> Result<Value> {
        self.qmp_log("human-monitor-command", json!({ "command-line": command_line }))
    }

    /// Runs a qemu-io command on a drive or node (`iotests.py: VM.hmp_qemu_io`). What it prints
    /// goes to QEMU's output, so look for it in [`Vm::get_log`].
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn hmp_qemu_io(&mut self, drive: &str, command: &str) -> Result<Value> {
        self.hmp(&format!("qemu-io {drive} \"{command}\""))
    }

    /// As [`Vm::hmp_qemu_io`], command and reply logged
    /// (`iotests.py: VM.hmp_qemu_io(use_log=True)`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn hmp_qemu_io_log(&mut self, drive: &str, command: &str) -> Result<Value> {
        self.hmp_log(&format!("qemu-io {drive} \"{command}\""))
    }

    /// As [`Vm::hmp_qemu_io`], where the monitor must not object: to a drive that it does not know,
    /// say, or one that another user keeps from being written to. The seed cannot tell.
    ///
    /// # Errors
    /// [`Error::Assertion`] with what the monitor said; those of [`Vm::qmp`].
    pub fn drive_io(&mut self, drive: &str, command: &str) -> Result<()> {
        let reply = self.hmp_qemu_io(drive, command)?;
        if reply["return"] == "" {
            return Ok(());
        }
        Err(Error::assertion(format!("qemu-io {drive} \"{command}\" was answered: {reply}")))
    }

    /// Runs a qemu-io command on the drive of a device
    /// (`iotests.py: VM.hmp_qemu_io(qdev=True)`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn hmp_qemu_io_device(&mut self, device: &str, command: &str) -> Result<Value> {
        self.hmp(&format!("qemu-io -d {device} \"{command}\""))
    }

    /// Holds a drive's reads and writes at a breakpoint; it needs a blkdebug node
    /// (`iotests.py: VM.pause_drive`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn pause_drive(&mut self, drive: &str) -> Result<()> {
        self.pause_drive_at(drive, "read_aio")?;
        self.pause_drive_at(drive, "write_aio")
    }

    /// Holds a drive at one blkdebug event.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn pause_drive_at(&mut self, drive: &str, event: &str) -> Result<()> {
        self.hmp_qemu_io(drive, &format!("break {event} bp_{drive}")).map(drop)
    }

    /// Lets a held drive go on (`iotests.py: VM.resume_drive`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn resume_drive(&mut self, drive: &str) -> Result<()> {
        self.hmp_qemu_io(drive, &format!("remove_break bp_{drive}")).map(drop)
    }
}
