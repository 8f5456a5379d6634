//! Finds script cases, and makes suites of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::parse::parse;
use super::run;
use super::source::Source;
use crate::error::{Error, Result};
use crate::suite::{Declare, Suite};

/// What the names of script cases end in.
pub const EXTENSION: &str = "case";

/// A script case that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path below the case directory, without the extension: `commit/offline`.
    pub path: String,
    /// The file.
    pub file: PathBuf,
}

/// Every script case below `cases`, in the order of their paths. They are not read.
///
/// # Errors
/// [`Error::Setup`] when a directory cannot be read, or a name is not UTF-8.
pub fn discover(cases: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if !cases.exists() {
        return Ok(found);
    }
    for entry in WalkDir::new(cases).sort_by_file_name() {
        let entry =
            entry.map_err(|error| Error::Setup(format!("failed to list the script cases: {error}")))?;
        let file = entry.path();
        if entry.file_type().is_dir() || file.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let relative = file.strip_prefix(cases).unwrap_or(file).with_extension("");
        let parts: Option<Vec<_>> = relative.iter().map(|part| part.to_str()).collect();
        let Some(parts) = parts else {
            return Err(Error::Setup(format!("the name of {} is not UTF-8: rename it", file.display())));
        };
        found.push(Found { path: parts.join("/"), file: entry.into_path() });
    }
    Ok(found)
}

/// The suite that a script is: one test without a name of its own, which runs the script. `path` is
/// for messages.
///
/// # Errors
/// Every mistake of the script, each an [`Error::CaseFile`].
pub fn suite_from_file(path: &Path, text: &str) -> std::result::Result<Suite, Vec<Error>> {
    let source = Arc::new(Source::new(path, text));
    let script = Arc::new(parse(text).map_err(|problems| source.errors(problems))?);
    let mut suite = Suite::new();
    *suite.declaration_mut() = script.header.declaration.clone();
    suite.params(script.header.combinations());
    suite.test("", move |test| Ok(run::run(&script, &source, test)?));
    Ok(suite)
}
