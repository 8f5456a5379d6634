//! What a run is told in besides libtest's own lines.

mod counts;
mod json;
mod junit;
mod not_run;
mod summary;
mod tap;
mod unittest;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::args::Args;
use super::outcome::Record;
use super::printing::say;
use super::run::Run;
use crate::error::{Error, Result};

pub(super) use not_run::write as write_not_run;

/// Prints the summary and writes the files that are asked for.
pub(super) fn write(run: &Run, args: &Args, records: &[Record], elapsed: Duration) -> Result<()> {
    // libtest's lines come first, also where both go to one file.
    let _ = std::io::stdout().flush();
    say(summary::text(records, elapsed).trim_end());
    let env = &run.env;
    if let Some(path) = env.unittest_report() {
        save(path, unittest::text(records, args.libtest.show_output).as_bytes())?;
    }
    if let Some(path) = env.tap_report() {
        save(path, tap::text(records).as_bytes())?;
    }
    if let Some(path) = env.json_log() {
        save(path, json::text(records).as_bytes())?;
    }
    if let Some(path) = env.junit_report() {
        save(path, junit::text(run.project.target(), records, elapsed)?.as_bytes())?;
    }
    Ok(())
}

fn save(path: &Path, text: &[u8]) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    }
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}
