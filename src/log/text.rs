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

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
