//! What a VM is started with.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde_json::Value;

use super::Vm;
use crate::env::Accel;
use crate::error::Result;
use crate::test::Test;

impl Test {
    /// A VM that is yet to be launched (`iotests.py: VM`).
    pub fn vm(&self) -> VmBuilder {
        VmBuilder::new(self, "")
    }

    /// A VM with a name of its own, for cases with several (`iotests.py: VM(path_suffix)`).
    pub fn vm_named(&self, suffix: &str) -> VmBuilder {
        VmBuilder::new(self, suffix)
    }
}

/// Collects what a VM is started with. Arguments reach QEMU in the order of the calls.
#[derive(Debug)]
#[must_use = "a VM does nothing until it is launched"]
pub struct VmBuilder {
    pub(super) test: Test,
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) drives: usize,
    /// Images for which no format was named.
    pub(super) assumed: Vec<String>,
    pub(super) accel: Option<Accel>,
    pub(super) passed_fds: Vec<Arc<OwnedFd>>,
    pub(super) may_fail: bool,
}

/// What `-blockdev` takes (`iotests.py: VM.add_blockdev`).
#[derive(Clone, Debug)]
pub struct Blockdev(String);

impl From<&str> for Blockdev {
    fn from(options: &str) -> Self {
        Self(options.to_owned())
    }
}

impl From<String> for Blockdev {
    fn from(options: String) -> Self {
        Self(options)
    }
}

impl From<Value> for Blockdev {
    fn from(node: Value) -> Self {
        Self(node.to_string())
    }
}

impl<const N: usize> From<[&str; N]> for Blockdev {
    fn from(options: [&str; N]) -> Self {
        Self(options.join(","))
    }
}

impl From<Vec<String>> for Blockdev {
    fn from(options: Vec<String>) -> Self {
        Self(options.join(","))
    }
}

impl VmBuilder {
    fn new(test: &Test, suffix: &str) -> Self {
        Self {
            test: test.clone(),
            name: format!("qemu{suffix}"),
            args: Vec::new(),
            drives: 0,
            assumed: Vec::new(),
            accel: None,
            passed_fds: Vec::new(),
            may_fail: false,
        }
    }

    /// All that was collected so far, out of a reference.
    pub(super) fn take(&mut self) -> Self {
        Self {
            test: self.test.clone(),
            name: self.name.clone(),
            args: std::mem::take(&mut self.args),
            assumed: std::mem::take(&mut self.assumed),
            passed_fds: std::mem::take(&mut self.passed_fds),
            ..*self
        }
    }

    /// Appends one argument as it is.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments as they are (`qemu.machine: add_args`).
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an `-object` (`iotests.py: VM.add_object`).
    pub fn object(self, options: impl Into<String>) -> Self {
        self.arg("-object").arg(options)
    }

    /// Adds a `-device` (`iotests.py: VM.add_device`).
    pub fn device(self, options: impl Into<String>) -> Self {
        self.arg("-device").arg(options)
    }

    /// Adds a `-drive` with these options and no others (`iotests.py: VM.add_drive_raw`); it does
    /// not count for the numbering of drives.
    pub fn drive_raw(self, options: impl Into<String>) -> Self {
        self.arg("-drive").arg(options)
    }

    /// Adds a `-blockdev`, given as text, as a list of options, or as JSON
    /// (`iotests.py: VM.add_blockdev`).
    pub fn blockdev(self, options: impl Into<Blockdev>) -> Self {
        self.arg("-blockdev").arg(options.into().0)
    }

    /// Waits for a migration to arrive at this address (`iotests.py: VM.add_incoming`).
    pub fn incoming(self, address: impl Into<String>) -> Self {
        self.arg("-incoming").arg(address)
    }

    /// Starts with the CPUs stopped (upstream's later `add_paused`).
    pub fn paused(self) -> Self {
        self.arg("-S")
    }

    /// Adds a human monitor that goes nowhere (`qemu.machine: add_monitor_null`).
    pub fn monitor_null(self) -> Self {
        self.args(["-monitor", "null"])
    }

    /// Runs with this accelerator whatever the binary prefers.
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = Some(accel);
        self
    }

    /// Any exit status of QEMU is fine: the case looks at it itself.
    pub fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// Launches it and negotiates its monitor.
    ///
    /// # Errors
    /// As [`Vm::launch`]: [`Error::Died`](crate::error::Error::Died) with QEMU's output when it ends early.
    pub fn launch(self) -> Result<Vm> {
        let mut vm = self.build();
        vm.launch()?;
        Ok(vm)
    }

    /// The VM, not launched yet.
    pub fn build(self) -> Vm {
        Vm::new(self)
    }
}
