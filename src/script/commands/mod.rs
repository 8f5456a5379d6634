//! The commands. Each file below adds the words of one wrapper; `table` has them all.

mod assertions;
pub(super) mod command;
mod flow;
mod image;
mod jobs;
mod nbd;
mod qemu_img;
mod qemu_io;
mod qmp;
mod refusal;
mod storage_daemon;
pub(super) mod table;
mod vm;
