//! Programs that are refused what they were started for.

use super::command::Done;
use crate::error::{Error, Result};
use crate::process::Status;
use crate::script::state::running::Running;

/// A program that ended by itself before it was ready: what it printed is logged. Its end by a
/// signal is no refusal.
pub(super) fn refused(state: &Running<'_>, error: Error) -> Result<Done> {
    match &error {
        Error::Died { launching: true, status: Status::Exited(_), log, .. } => {
            state.log(log.as_str(), &[state.program_names()]);
            Ok(Done { failed: Some(error), ..Done::default() })
        }
        _ => Err(error),
    }
}
