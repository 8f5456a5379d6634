//! A named scratch file.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde::{Serialize, Serializer};

/// Path of a scratch file or socket (`iotests.py: FilePath`, `file_path`). The file itself is not
/// created; whatever is there at the end of the trial goes with the scratch directory. Reads as a
/// `&str`, a path, or JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScratchFile(String);

impl ScratchFile {
    pub(super) fn new(path: String) -> Self {
        Self(path)
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl Deref for ScratchFile {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<OsStr> for ScratchFile {
    fn as_ref(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

impl AsRef<Path> for ScratchFile {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl AsRef<str> for ScratchFile {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScratchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ScratchFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
