//! The human monitor, and what only it can do: qemu-io commands on a running VM's drives.

use serde_json::{Value, json};

use super::Vm;
use crate::error::{Error, Result};
use crate::process::Printed;
use crate::tools::reports_failure;

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

    /// Runs a qemu-io command on a drive, node or device (`iotests.py: VM.hmp_qemu_io`), which may fail.
    /// What it prints goes to QEMU's output, so look for it in [`Vm::get_log`].
    ///
    /// # Errors
    /// Those of [`Vm::qmp`]; [`Error::NoEvidence`] for a request that is reported neither as done nor as failed.
    pub fn hmp_qemu_io<'a>(&mut self, target: impl Into<IoTarget<'a>>, command: &str) -> Result<Value> {
        Ok(self.try_drive_io(target.into(), command)?.reply)
    }

    /// As [`Vm::hmp_qemu_io`], command and reply logged
    /// (`iotests.py: VM.hmp_qemu_io(use_log=True)`).
    ///
    /// # Errors
    /// As [`Vm::hmp_qemu_io`].
    pub fn hmp_qemu_io_log<'a>(&mut self, target: impl Into<IoTarget<'a>>, command: &str) -> Result<Value> {
        let reply = self.hmp_log(&qemu_io_command_line(target.into(), command))?;
        self.demand_reports(command, &reply)?;
        Ok(reply)
    }

    /// As [`Vm::hmp_qemu_io`], for a command that must succeed; returns what it printed.
    /// `iotests.py` does not know whether it did: the monitor only objects to an unknown drive, and to one that
    /// another user keeps from being written to. Whether a request was done or failed, whether `read -P` found other
    /// data, and whether the command was understood is in QEMU's output alone.
    ///
    /// With `PRINT_QEMU` that output goes to the terminal: then nothing is returned, and only the
    /// monitor's objections are noticed. The request of an `aio_` command is reported once it is done: what is
    /// wrong with it makes this command fail, or the next one, an `aio_flush` at the latest, or else the shutdown.
    ///
    /// # Errors
    /// [`Error::Assertion`] with what the monitor or qemu-io said; [`Error::NoEvidence`] when a request is not
    /// reported as done; those of [`Vm::qmp`].
    pub fn drive_io<'a>(&mut self, target: impl Into<IoTarget<'a>>, command: &str) -> Result<String> {
        let io = self.try_drive_io(target.into(), command)?;
        io.failure().map_or(Ok(io.printed), Err)
    }

    pub(crate) fn try_drive_io(&mut self, target: IoTarget<'_>, command: &str) -> Result<DriveIo> {
        let line = qemu_io_command_line(target, command);
        let before = self.log().map_or(0, Printed::len);
        let reply = self.hmp(&line)?;
        let mut printed = self.log().map(|log| log.since(before)).unwrap_or_default();
        self.demand_reports(command, &reply)?;
        if let Some(shown) = reply["return"].as_str().filter(|text| is_output(text)) {
            printed.push_str(shown);
        }
        Ok(DriveIo { command: line, reply, printed })
    }

    /// Fills `length` bytes at `offset` of a drive with one byte, and reads them back through the drive. Both may carry
    /// qemu-io's suffixes (`64k`, `1M`).
    ///
    /// # Errors
    /// Those of [`Vm::drive_io`], such as that other bytes are read.
    pub fn write_pattern<'a>(
        &mut self,
        target: impl Into<IoTarget<'a>>,
        byte: u8,
        offset: &str,
        length: &str,
    ) -> Result<()> {
        let target = target.into();
        for command in ["write", "read"] {
            self.drive_io(target, &format!("{command} -P {byte:#04x} {offset} {length}"))?;
        }
        Ok(())
    }

    /// Holds a drive's reads and writes at a breakpoint; it needs a blkdebug node
    /// (`iotests.py: VM.pause_drive`).
    ///
    /// # Errors
    /// Those of [`Vm::drive_io`], such as that it has no blkdebug node.
    pub fn pause_drive(&mut self, drive: &str) -> Result<()> {
        self.pause_drive_at(drive, "read_aio")?;
        self.pause_drive_at(drive, "write_aio")
    }

    /// Holds a drive at one blkdebug event.
    ///
    /// # Errors
    /// Those of [`Vm::drive_io`].
    pub fn pause_drive_at(&mut self, drive: &str, event: &str) -> Result<()> {
        self.drive_io(drive, &format!("break {event} bp_{drive}")).map(drop)
    }

    /// Lets a held drive go on (`iotests.py: VM.resume_drive`).
    ///
    /// # Errors
    /// Those of [`Vm::drive_io`].
    pub fn resume_drive(&mut self, drive: &str) -> Result<()> {
        self.drive_io(drive, &format!("remove_break bp_{drive}")).map(drop)
    }
}

/// What a qemu-io command of a running VM acts on. A plain text names a drive or node.
#[derive(Clone, Copy, Debug)]
pub enum IoTarget<'a> {
    /// A drive or node, by its name.
    Drive(&'a str),
    /// The drive of a device, by the device's id (`iotests.py: VM.hmp_qemu_io(qdev=True)`).
    Device(&'a str),
}

impl<'a> From<&'a str> for IoTarget<'a> {
    fn from(name: &'a str) -> Self {
        Self::Drive(name)
    }
}

impl<'a> From<&'a String> for IoTarget<'a> {
    fn from(name: &'a String) -> Self {
        Self::Drive(name)
    }
}

fn qemu_io_command_line(target: IoTarget<'_>, command: &str) -> String {
    match target {
        IoTarget::Drive(name) => format!("qemu-io {name} \"{command}\""),
        IoTarget::Device(id) => format!("qemu-io -d {id} \"{command}\""),
    }
}

/// Whether a reply is output: QEMU prints this part of what `info` shows to the monitor, where objections go as well.
/// QEMU 7.2 prints only the lines below the first one there, which are indented.
fn is_output(reply: &str) -> bool {
    reply.starts_with("Format specific information:") || reply.starts_with("    ")
}

/// What came of a qemu-io command.
#[derive(Debug)]
pub(crate) struct DriveIo {
    /// The command of the human monitor.
    pub(crate) command: String,
    /// The reply to it.
    pub(crate) reply: Value,
    /// What QEMU printed meanwhile, and what of the reply is output.
    pub(crate) printed: String,
}

impl DriveIo {
    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<Error> {
        let Self { command, reply, printed } = self;
        // A success replies nothing or a part of the output, an objection says why.
        let is_fine = reply["return"].as_str().is_some_and(|text| text.is_empty() || is_output(text));
        if is_fine && !reports_failure(printed) {
            return None;
        }
        let objection = match reply["return"].as_str() {
            Some(text) if is_output(text) => String::new(),
            Some(text) => text.to_owned(),
            None => reply.to_string(),
        };
        let said = format!("{objection}{printed}");
        Some(Error::assertion(format!("{command} failed:\n{}", said.trim_end())))
    }
}
