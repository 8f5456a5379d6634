//! The monitor client: commands with ids, events kept apart from replies, no wait without an end.

mod args;
mod events;
mod message;
mod monitor;
mod transcript;
mod wire;

pub use args::Args;
pub use events::{EventMatch, Wait};
pub use message::error_of;
pub use monitor::Monitor;
