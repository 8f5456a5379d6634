//! QEMU's tools. Each file adds its tool's words to [`Test`](crate::test::Test).

pub mod args;
mod daemon;
mod qemu_img;
mod qemu_io;
mod qemu_nbd;
mod run;
mod storage_daemon;

pub use qemu_img::InfoLog;
pub use qemu_io::QemuIoInteractive;
pub(crate) use qemu_io::tells_of_failure;
pub use qemu_nbd::NbdServer;
pub use run::RunningTool;
pub use storage_daemon::{StorageDaemon, StorageDaemonBuilder};
