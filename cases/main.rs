//! The crate's own cases, run on the QEMU that is installed.

iotests::main!();
