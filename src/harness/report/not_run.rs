//! `.notrun` and `.casenotrun` files, for tools that read them (`iotests.py: notrun`,
//! `case_notrun`).

use std::fs;
use std::path::Path;

use super::super::outcome::{Outcome, Record};
use crate::error::{Error, Result};

/// Writes what a trial did not run into files below `dir` whose paths are its name, and removes what an earlier run
/// wrote there.
pub(in super::super) fn write(dir: &Path, record: &Record) -> Result<()> {
    let stem = dir.join(record.name.kept_path());
    let dir = stem.parent().unwrap_or(dir);
    let whole = match &record.outcome {
        Outcome::Skipped(reason) => format!("{reason}\n"),
        _ => String::new(),
    };
    let parts = record.not_run.iter().map(|reason| format!("    [case not run] {reason}\n")).collect();
    for (extension, text) in [("notrun", whole), ("casenotrun", parts)] {
        // Not `with_extension`: what follows the last dot of the stem is the format.
        let mut path = stem.clone().into_os_string();
        path.push(format!(".{extension}"));
        let path = Path::new(&path);
        let written = if text.is_empty() {
            match fs::remove_file(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        } else {
            fs::create_dir_all(dir).and_then(|()| fs::write(path, text))
        };
        written.map_err(Error::io(format!("write {}", path.display())))?;
    }
    Ok(())
}
