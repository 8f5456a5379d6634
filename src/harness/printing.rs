//! Printing where it may fail: a closed pipe or a full disk does not end a run.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use super::panics;
use crate::error::{Error, Result};

/// Exit status when trials failed, or their results could not be written.
const FAILED: u8 = 101;

/// Prints a line on stderr.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints what was asked for.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&Error::io("write to stdout")(error)),
    }
}

/// Lists trials as libtest-mimic does, which writes each line by itself: there may be thousands.
pub(super) fn list(args: &Arguments, names: impl Iterator<Item = String>) -> ExitCode {
    let text: String = names.map(|name| name + ": test\n").collect();
    match &args.logfile {
        None => print(&text),
        Some(path) => match fs::write(path, text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&Error::io(format!("write the log file {path}"))(error)),
        },
    }
}

/// Has libtest-mimic run `trials`. It panics if it cannot write; with several threads, trials run nevertheless.
///
/// # Errors
/// Why it could not write.
pub(super) fn libtest(args: &Arguments, trials: Vec<Trial>) -> Result<ExitCode> {
    panics::catch(|| libtest_mimic::run(args, trials).exit_code()).map_err(|panic| {
        // libtest-mimic panics on a write error. Write once more to get the error itself.
        match io::stdout().write_all(b"\n") {
            Err(error) => Error::io("write to stdout")(error),
            Ok(()) => Error::Setup(format!("failed to print the results: {}", panic.message)),
        }
    })
}

/// Reports that something could not be written, and gives the exit status for it.
pub(super) fn failed(error: &Error) -> ExitCode {
    say(format_args!("iotests: {error}"));
    ExitCode::from(FAILED)
}
