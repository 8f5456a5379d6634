//! The things of one kind that run.

use std::collections::BTreeMap;

use super::thing::Thing;
use crate::error::{Error, Result};

/// The things of one kind that run, by name.
#[derive(Debug)]
pub(crate) struct Things<T> {
    kind: Thing,
    running: BTreeMap<String, T>,
}

impl<T> Things<T> {
    pub(super) fn new(kind: Thing) -> Self {
        Self { kind, running: BTreeMap::new() }
    }

    /// Takes in one that was started. If there is one of its name, that goes on and the new one ends.
    pub(crate) fn insert(&mut self, name: &str, thing: T) -> Result<()> {
        if self.running.contains_key(name) {
            return Err(Error::misuse(format!("{} runs already", self.kind.called(name))));
        }
        self.running.insert(name.to_owned(), thing);
        Ok(())
    }

    /// The one of this name.
    pub(crate) fn get(&mut self, name: &str) -> Result<&mut T> {
        self.running.get_mut(name).ok_or_else(|| not_running(self.kind, name))
    }

    /// The one of this name, which is not there any more afterwards.
    pub(crate) fn take(&mut self, name: &str) -> Result<T> {
        self.running.remove(name).ok_or_else(|| not_running(self.kind, name))
    }
}

/// What is to be used or ended, and does not run.
pub(super) fn not_running(kind: Thing, name: &str) -> Error {
    Error::misuse(format!("{} does not run", kind.called(name)))
}
