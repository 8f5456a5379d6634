//! Printing to whoever may have stopped reading: a closed pipe or a full disk ends no run.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use super::panics;
use crate::error::{Error, Result};

/// Exit status when trials failed, or how they went could not be told.
const FAILED: u8 = 101;

/// Tells something on stderr.
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

/// Has libtest-mimic run `trials`. It panics where it cannot write; whether trials were run
/// nevertheless depends on the number of threads.
///
/// # Errors
/// Why it could not write.
pub(super) fn libtest(args: &Arguments, trials: Vec<Trial>) -> Result<ExitCode> {
    panics::catch(|| libtest_mimic::run(args, trials).exit_code()).map_err(|panic| {
        // The panic's message is no text for users; a line more meets the same error.
        match io::stdout().write_all(b"\n") {
            Err(error) => Error::io("write to stdout")(error),
            Ok(()) => Error::Setup(format!("failed to print the results: {}", panic.message)),
        }
    })
}

/// Tells why something could not be told or remembered.
pub(super) fn failed(error: &Error) -> ExitCode {
    say(format_args!("iotests: {error}"));
    ExitCode::from(FAILED)
}
