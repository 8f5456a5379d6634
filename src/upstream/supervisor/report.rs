//! What a supervisor reports to the harness.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// First argument of a supervisor.
pub(super) const MARK: &str = "--supervise-upstream-test";

/// How a test's main process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::upstream) enum End {
    /// It exited with this status.
    Exited(i32),
    /// It died of this signal.
    Signalled(i32),
    /// It was killed at its deadline; these processes were alive then.
    TimedOut(Vec<String>),
    /// It could not be started.
    NotStarted(String),
}

/// A supervisor's report on its test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::upstream) struct Report {
    /// How the test ended.
    pub(in crate::upstream) end: End,
    /// The processes that outlived the test, by name; they were killed.
    pub(in crate::upstream) left_behind: Vec<String>,
    /// Those that could not be killed.
    pub(in crate::upstream) unkillable: Vec<String>,
    /// What it left mounted and could not be unmounted.
    pub(in crate::upstream) mounted: Vec<PathBuf>,
}
