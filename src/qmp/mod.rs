//! The monitor client: commands with ids, events kept apart from replies, no wait without an end.

mod args;
mod events;
mod job_status;
mod message;
mod monitor;
mod queue;
mod transcript;

pub use args::Args;
pub use events::{EventMatch, Wait};
pub use job_status::JobStatus;
pub use message::error_of;
pub use monitor::Monitor;
