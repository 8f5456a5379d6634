//! A test harness for QEMU's block layer.

#[cfg(not(target_os = "linux"))]
compile_error!("iotests needs Linux: pidfds, parent-death signals and inotify keep its children in hand");

pub mod context;
pub mod env;
pub mod error;
pub mod filter;
pub mod harness;
pub mod image;
pub mod log;
pub mod output;
pub mod prelude;
pub mod process;
pub mod qmp;
pub mod register;
pub mod script;
pub mod suite;
pub mod test;
pub mod tools;
pub mod upstream;
pub mod value;
pub mod vm;
