//! QEMU's tools. Each file adds its tool's words to [`Test`](crate::test::Test).

pub mod args;
mod daemon;
mod evidence;
mod footprint;
mod io_request;
mod noise;
mod probed;
mod qemu_img;
mod qemu_io;
mod qemu_nbd;
mod run;
mod stderr;
mod storage_daemon;

pub(crate) use io_request::{Requests, reports_failure};
pub(crate) use noise::is_noise;
pub use qemu_img::InfoLog;
pub use qemu_io::QemuIoInteractive;
pub use qemu_nbd::NbdServer;
pub use run::RunningTool;
pub use storage_daemon::{StorageDaemon, StorageDaemonBuilder};
