//! A test harness for QEMU's block layer.
#![warn(missing_docs)]

pub mod filter;
pub mod image;
pub mod log;
pub mod tools;
pub mod value;
