//! The reports of a run, besides libtest's own lines.

mod counts;
mod json;
mod junit;
mod merged;
mod not_run;
mod summary;
mod tap;
mod unittest;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::args::Args;
use super::outcome::Record;
use super::printing::say;
use super::shared::Run;
use crate::error::{Error, Result};

pub(super) use not_run::write as write_not_run;

/// Prints the summary and writes the files that are asked for; `base` is where the harness keeps what
/// it remembers. A run that is not whole was interrupted. Returns everything that could not be written.
pub(super) fn write(
    run: &Run,
    args: &Args,
    base: &Path,
    records: &[Record],
    elapsed: Duration,
    is_whole: bool,
) -> Vec<Error> {
    // libtest's lines come first, also where both go to one file.
    let _ = io::stdout().flush();
    say(summary::text(records, elapsed).trim_end());
    let env = &run.env;
    let files = [env.unittest_report(), env.tap_report(), env.json_log(), env.junit_report()];
    if files.iter().all(Option::is_none) {
        return Vec::new();
    }
    let Some(id) = args.nextest_run(env) else {
        return write_files(run, args, records, elapsed, is_whole);
    };
    match merged::Merged::add(base, id, records) {
        Ok(merged) => write_files(run, args, merged.records(), merged.elapsed(), is_whole),
        Err(error) => vec![error],
    }
}

fn write_files(run: &Run, args: &Args, records: &[Record], elapsed: Duration, is_whole: bool) -> Vec<Error> {
    let env = &run.env;
    let unittest = || Ok(unittest::text(records, args.libtest.show_output));
    let junit = || junit::text(run.project.target(), records, elapsed);
    let written = [
        env.unittest_report().map(|path| save(path, unittest())),
        env.tap_report().map(|path| save(path, Ok(tap::text(records, is_whole)))),
        env.json_log().map(|path| save(path, Ok(json::text(records)))),
        env.junit_report().map(|path| save(path, junit())),
    ];
    written.into_iter().flatten().filter_map(Result::err).collect()
}

fn save(path: &Path, text: Result<String>) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    }
    let mut file = open(path).map_err(Error::io(format!("write {}", path.display())))?;
    let written = file.write_all(text?.as_bytes()).and_then(|()| file.flush());
    written.map_err(Error::io(format!("write {}", path.display())))
}

/// The file of a report. `/dev/stdout` may be a file that has libtest's lines, which stay.
fn open(path: &Path) -> io::Result<Box<dyn io::Write>> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let own = identity(path);
    let is = |stream: &str| own.is_some() && identity(stream.as_ref()) == own;
    if is("/proc/self/fd/1") {
        Ok(Box::new(io::stdout()))
    } else if is("/proc/self/fd/2") {
        Ok(Box::new(io::stderr()))
    } else {
        Ok(Box::new(File::create(path)?))
    }
}
