//! Each test runs under a process of ours that nothing it starts can get away from.
//!
//! The supervisor is this very program, started again. It makes itself the reaper of every
//! descendant, so a daemon that forked twice into a session of its own is still found, named and
//! killed; it ends the test at its deadline; and it watches a pipe from the harness, so that all of
//! them die even when the harness is killed with SIGKILL.

mod descendants;
mod guard;
mod handle;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

pub(super) use handle::{Job, PATIENCE, run};

/// First argument of a supervisor.
const MARK: &str = "--supervise-upstream-test";

/// How a test's main process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// It exited with this status.
    Exited(i32),
    /// It died of this signal.
    Signalled(i32),
    /// It was killed at its deadline; these processes were alive then.
    TimedOut(Vec<String>),
    /// It could not be started.
    NotStarted(String),
}

/// What a supervisor tells of its test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// How the test ended.
    pub(super) end: End,
    /// The processes that outlived the test, by name; they were killed.
    pub(super) left_behind: Vec<String>,
    /// Those that could not be killed.
    pub(super) unkillable: Vec<String>,
    /// What it left mounted and could not be unmounted.
    pub(super) mounted: Vec<PathBuf>,
}

/// Does a supervisor's work if this process was started to be one. To be called before anything
/// else in `main`.
pub(super) fn take_over() -> Option<ExitCode> {
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
