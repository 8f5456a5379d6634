//! What a run is told in besides libtest's own lines.

mod counts;
mod json;
mod junit;
mod merged;
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

/// Prints the summary and writes the files that are asked for; `base` is where the harness keeps what
/// it remembers.
pub(super) fn write(
    run: &Run,
    args: &Args,
    base: &Path,
    records: &[Record],
    elapsed: Duration,
) -> Result<()> {
    // libtest's lines come first, also where both go to one file.
    let _ = std::io::stdout().flush();
    say(summary::text(records, elapsed).trim_end());
    let env = &run.env;
    let files = [env.unittest_report(), env.tap_report(), env.json_log(), env.junit_report()];
    if files.iter().all(Option::is_none) {
        return Ok(());
    }
    // nextest asks for each trial by its whole name.
    let Some(id) = env.nextest_run().filter(|_| args.exact_names().is_some()) else {
        return write_files(run, args, records, elapsed);
    };
    let merged = merged::Merged::add(base, id, records)?;
    write_files(run, args, merged.records(), merged.elapsed())
}

fn write_files(run: &Run, args: &Args, records: &[Record], elapsed: Duration) -> Result<()> {
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
