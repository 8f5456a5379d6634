//! What the binaries have answered, as values.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::{Emulator, Schema, Version};

/// Formats that a binary may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// For reading and writing.
    pub read_write: Vec<String>,
    /// For reading at least.
    pub read_only: Vec<String>,
}

/// Whether something works, or else why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Support {
    /// It does.
    Works,
    /// It does not; this is what the tool said.
    Missing(String),
}

impl Support {
    /// Whether it works.
    pub fn works(&self) -> bool {
        *self == Self::Works
    }

    /// Why it does not, if so.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Works => None,
            Self::Missing(reason) => Some(reason),
        }
    }
}

/// What `qemu-img --help` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ImageTool {
    pub(super) version: Version,
    pub(super) formats: Vec<String>,
}

/// An answer, once it is there, or the text of the error that there was instead.
pub(super) type Known<T> = OnceLock<std::result::Result<T, String>>;

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) cache: Cache,
    pub(super) emulator: Known<Emulator>,
    pub(super) formats: Known<Formats>,
    pub(super) schema: Known<Schema>,
    pub(super) image_tool: Known<ImageTool>,
    pub(super) luks: Known<Support>,
    pub(super) zstd: Known<Support>,
    pub(super) qemu_io: Known<Version>,
    pub(super) qemu_nbd: Known<Version>,
    pub(super) storage_daemon: Known<Version>,
}
