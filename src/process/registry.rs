//! The process groups that are alive, so that a time-out or Ctrl-C can end them from another
//! thread.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::guard;
use crate::output::readable;

/// A set of live process groups. Clones share the set; a child set's groups belong to its parent's
/// too.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    groups: Arc<Mutex<Groups>>,
    parent: Option<Arc<Registry>>,
}

#[derive(Debug, Default)]
struct Groups {
    alive: BTreeSet<i32>,
    /// Whether they were all killed: what was being started meanwhile shall not be left over.
    closed: bool,
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

    /// Sends SIGKILL to every group, and from now on to every one that is added.
    pub fn kill_all(&self) {
        let mut groups = self.lock();
        groups.closed = true;
        for group in &groups.alive {
            kill(Pid::from_raw(*group));
        }
    }

    /// Whether everything in it was killed, here or in a set that this one belongs to.
    pub fn is_closed(&self) -> bool {
        self.lock().closed || self.parent.as_ref().is_some_and(|parent| parent.is_closed())
    }

    /// The command lines of what is alive, as the kernel shows them.
    pub fn commands(&self) -> Vec<String> {
        let command = |group: &i32| {
            let words = std::fs::read(format!("/proc/{group}/cmdline")).ok()?;
            let words = words.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            Some(shell_words::join(words.map(readable)))
        };
        self.lock().alive.iter().filter_map(command).filter(|command| !command.is_empty()).collect()
    }

    /// Whether nothing is alive.
    pub fn is_empty(&self) -> bool {
        self.lock().alive.is_empty()
    }

    pub(super) fn insert(&self, group: Pid) {
        let mut groups = self.lock();
        groups.alive.insert(group.as_raw());
        if groups.closed {
            kill(group);
        }
        drop(groups);
        match &self.parent {
            Some(parent) => parent.insert(group),
            None => guard::watch_group(group),
        }
    }

    /// To be called before the group's leader is reaped: from then on its number may be reused.
    pub(super) fn remove(&self, group: Pid) {
        self.lock().alive.remove(&group.as_raw());
        match &self.parent {
            Some(parent) => parent.remove(group),
            None => guard::forget_group(group),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(group: Pid) {
    // A group that has just ended is not an error.
    let _ = killpg(group, Signal::SIGKILL);
}
