//! QEMU without a guest: launch, monitor, jobs, migration, block graph, and a certain end.

mod bitmaps;
mod block_jobs;
mod clock;
mod config;
mod drive;
mod fds;
mod graph;
mod hmp;
mod job;
mod job_options;
mod launch;
mod machine;
mod migration;
mod monitor;
mod process;
mod qtest;
mod run_job;

pub use bitmaps::find_bitmap;
pub use config::{Blockdev, VmBuilder};
pub use drive::Drive;
pub use hmp::IoTarget;
pub use job::Job;
pub use job_options::{CancelJob, Completion};
pub use machine::Vm;
pub use run_job::RunJob;
