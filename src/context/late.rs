//! Problems found where no error can be returned.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// What destructors found wrong: it fails the trial. Clones share their problems.
#[derive(Clone, Debug, Default)]
pub struct Late(Arc<Mutex<Vec<Error>>>);

impl Late {
    /// Notes a problem.
    pub fn report(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    /// Takes the problems noted so far.
    pub fn take(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
