//! Looks for programs and directories.

use std::fs;
use std::path::{Path, PathBuf};

/// Looks a program up the way a shell does: a name with a slash is a path, any other is searched
/// for on `path`.
pub(super) fn find_program(name: &Path, path: &[PathBuf]) -> Option<PathBuf> {
    let runs =
        |file: &PathBuf| file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok();
    if name.components().count() > 1 || name.is_absolute() {
        return std::path::absolute(name).ok().filter(runs);
    }
    path.iter().map(|dir| dir.join(name)).find(runs)
}

/// Whether a directory is there; if not, the error says what is expected of it.
pub(super) fn is_directory(dir: &Path) -> Result<(), String> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err("a directory, not a file".to_owned()),
        Err(error) => Err(format!("a directory that exists: {error}")),
    }
}
