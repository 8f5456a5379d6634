//! A test harness for QEMU's block layer.

pub mod env;
pub mod error;
pub mod filter;
pub mod log;
pub mod process;
