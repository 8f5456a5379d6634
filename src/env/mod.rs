//! What surrounds a run: the variables it was given, the binaries it shall test, and what those
//! can do.
//!
//! [`TestEnv`] is made once, from the process's environment, and never changes afterwards. What says
//! how tests run is read here alone; what cargo, libtest or Python go by is read where they are
//! served, at the start of a run. What the binaries can do is found out only when somebody asks, one
//! question at a time, and remembered on disk ([`Capabilities`]).

mod answers;
mod ask;
mod cache;
mod dirs;
mod emulator;
mod firmware;
mod interview;
mod lookup;
mod machine;
mod monitor;
mod preflight;
mod probe;
mod reader;
mod run;
mod run_settings;
mod schema;
mod similar;
mod testenv;
mod tool;
mod values;
pub mod variables;
mod version;

pub use answers::{Formats, Support};
pub(crate) use dirs::{check_scratch_base, check_space, out_of_space};
pub use emulator::{Emulator, Machine};
pub use firmware::image as firmware_image;
pub(crate) use monitor::MonitorOption;
pub use probe::Capabilities;
pub use schema::Schema;
pub(crate) use similar::similar_word;
pub use testenv::TestEnv;
pub use tool::{Tool, ToolKind};
pub(crate) use values::{AIO_MODES, CACHE_MODES, unique};
pub use values::{Accel, GroupFilter, IMAGE_FORMATS, Listing, OracleSeeds, PROTOCOLS, TimeoutScale};
pub use version::Version;
