//! Finds script cases, and makes suites of them.

use std::path::Path;

use super::header::param::combinations;
use super::parse::parser::parse;
use super::run::source::Source;
use super::run::steps::run;
use crate::error::{Error, Result};
use crate::suite::{Declare, Place, Requirement, Suite};

/// What the names of script cases end in.
pub const EXTENSION: &str = "case";

/// A script case that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path below the case directory, without the extension: `commit/offline`.
    pub path: String,
    /// The file, relative to the case directory.
    pub file: String,
}

impl Found {
    /// The script case that this file is, relative to the case directory; `None` if it is none.
    pub(crate) fn of(file: &str) -> Option<Self> {
        let path = file.strip_suffix(EXTENSION)?.strip_suffix('.')?;
        Some(Self { path: path.to_owned(), file: file.to_owned() })
    }
}

/// Every script case below `cases`, in the order of their paths. They are not read.
///
/// # Errors
/// [`Error::Setup`] when a directory cannot be read, or a name is not UTF-8.
pub fn discover(cases: &Path) -> Result<Vec<Found>> {
    if !cases.exists() {
        return Ok(Vec::new());
    }
    let files = iotests_build::files(cases, &[EXTENSION]).map_err(Error::Setup)?;
    Ok(files.iter().filter_map(|file| Found::of(file)).collect())
}

/// The suite that a script is: one test without a name of its own, which runs the script. `path` is
/// for messages.
///
/// # Errors
/// Every mistake of the script, each an [`Error::CaseFile`].
pub fn suite_from_file(path: &Path, text: &str) -> std::result::Result<Suite, Vec<Error>> {
    let source = Source::new(path, text);
    let script = parse(text).map_err(|problems| source.errors(problems))?;
    let mut suite = Suite::new();
    let params = combinations(&script.header.params);
    let tools = script.tools();
    *suite.declaration_mut() = script.header.declaration;
    for tool in tools {
        suite.requires(Requirement::Tool(tool));
    }
    suite.params(params);
    // Most scripts that are read are not run, so a trial parses its own again.
    suite.test("", move |test| Ok(run(&source, test)?)).declared_at(Place::Line(1));
    Ok(suite)
}
