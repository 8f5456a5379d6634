//! QEMU's tools.

pub mod args;
