//! What surrounds a run: the variables it was given, the binaries it shall test, and what those
//! can do.
//!
//! [`TestEnv`] is made once, from the process's environment, and never changes afterwards; nothing
//! else reads a variable. What the binaries can do is found out only when somebody asks, one
//! question at a time, and remembered on disk ([`Capabilities`]).

mod cache;
mod dirs;
mod emulator;
mod firmware;
mod interview;
mod machine;
mod preflight;
mod probe;
mod reader;
mod run_settings;
mod schema;
mod testenv;
mod tool;
mod values;
pub mod variables;
mod version;

pub use emulator::{Emulator, Machine};
pub use firmware::image as firmware_image;
pub use probe::{Capabilities, Formats, Support};
pub use schema::Schema;
pub use testenv::TestEnv;
pub use tool::{Tool, ToolKind};
pub use values::{Accel, GroupFilter, Listing, TimeoutScale};
pub use version::Version;
