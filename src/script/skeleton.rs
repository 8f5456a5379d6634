//! The file that a new script case begins as.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::discover::EXTENSION;
use crate::error::{Error, Result};

const SKELETON: &str = "\
# What this case shows, in a sentence.
formats: qcow2
groups: rw quick
files: disk

qemu-img create -f $IMGFMT $disk 1M

== write and read back ==
qemu-io -c 'write -P 0xa5 0 64k' $disk
qemu-io -c 'read -P 0xa5 0 64k' $disk
check $disk
";

/// Writes the skeleton of the case `path`, such as `commit/offline`, below `cases`, and says where.
///
/// # Errors
/// [`Error::Setup`] if there is such a case already; [`Error::Io`].
pub fn create(cases: &Path, path: &str) -> Result<PathBuf> {
    for extension in [EXTENSION, "rs"] {
        let there = cases.join(format!("{path}.{extension}"));
        if there.exists() {
            return Err(Error::Setup(format!("{} is there already: choose another name", there.display())));
        }
    }
    let file = cases.join(format!("{path}.{EXTENSION}"));
    let failed = || format!("create {}", file.display());
    let dir = file.parent().unwrap_or(cases);
    fs::create_dir_all(dir).map_err(Error::io(failed()))?;
    let mut new = File::create_new(&file).map_err(Error::io(failed()))?;
    new.write_all(SKELETON.as_bytes()).map_err(Error::io(failed()))?;
    Ok(file)
}
