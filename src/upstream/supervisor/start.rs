//! Where this very program becomes a supervisor.

use std::ffi::OsString;
use std::process::ExitCode;

use super::guard;
use super::report::MARK;

/// Does a supervisor's work if this process was started to be one. To be called before anything
/// else in `main`.
pub(in crate::upstream) fn take_over() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != MARK {
        return None;
    }
    let args: Vec<OsString> = args.collect();
    Some(match guard::supervise(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervisor of an upstream test: {error}");
            ExitCode::FAILURE
        }
    })
}
