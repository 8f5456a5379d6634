//! Programs that are refused what they were started for.

use super::command::Done;
use crate::error::{Error, Result};
use crate::process::Status;
use crate::script::state::running::Running;

/// A program that ended by itself, with a status other than 0, before it was ready: what it printed is logged. An end
/// by a signal, or with 0, is not a refusal.
pub(super) fn refused(state: &Running<'_>, error: Error) -> Result<Done> {
    match &error {
        Error::Died { launching: true, status: Status::Exited(1..), log, .. } => {
            state.log(log.as_str(), &[state.program_names()]);
            Ok(Done { failed: Some(error), ..Done::default() })
        }
        _ => Err(error),
    }
}
