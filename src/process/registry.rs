//! The process groups that are alive, so that a time-out or Ctrl-C can end them from another
//! thread.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::guard;

/// A set of live process groups. Clones share the set; a child set's groups belong to its parent's
/// too.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    groups: Arc<Mutex<BTreeSet<i32>>>,
    parent: Option<Arc<Registry>>,
}

impl Registry {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set for one trial, whose groups this one sees as well.
    pub fn child(&self) -> Self {
        Self { groups: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Sends SIGKILL to every group.
    pub fn kill_all(&self) {
        for group in self.lock().iter() {
            // A group that has just ended is not an error.
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }

    /// The command lines of what is alive, as the kernel tells them.
    pub fn commands(&self) -> Vec<String> {
        let command = |group: &i32| {
            let words = std::fs::read(format!("/proc/{group}/cmdline")).ok()?;
            let words = words.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            Some(shell_words::join(words.map(String::from_utf8_lossy)))
        };
        self.lock().iter().filter_map(command).filter(|command| !command.is_empty()).collect()
    }

    /// Whether nothing is alive.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn insert(&self, group: Pid) {
        self.lock().insert(group.as_raw());
        match &self.parent {
            Some(parent) => parent.insert(group),
            None => guard::watch_group(group),
        }
    }

    /// To be called before the group's leader is reaped: from then on its number may be reused.
    pub(super) fn remove(&self, group: Pid) {
        self.lock().remove(&group.as_raw());
        match &self.parent {
            Some(parent) => parent.remove(group),
            None => guard::forget_group(group),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
