//! Script cases: what the parser says, what the printer writes, and what runs on real QEMU.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod manual;
mod mistakes;
mod running;

use std::path::{Path, PathBuf};

/// A file or directory of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
