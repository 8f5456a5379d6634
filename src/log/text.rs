//! The log of one trial: the text that is compared with its reference.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything a case has said so far.
#[derive(Debug, Default)]
pub struct Log {
    text: Mutex<String>,
}

impl Log {
    /// Appends `line` and a newline.
    pub fn line(&self, line: &str) {
        let mut text = self.lock();
        text.push_str(line);
        text.push('\n');
    }

    /// Everything logged so far.
    pub fn contents(&self) -> String {
        self.lock().clone()
    }

    /// How much has been logged, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes back everything after the first `length` bytes, a value that [`len`](Self::len) gave.
    pub(crate) fn truncate(&self, length: usize) {
        self.lock().truncate(length);
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
