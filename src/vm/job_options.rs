//! How block jobs are cancelled, and how they shall end.

use std::time::Duration;

/// How long a job may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);

/// How [`Vm::cancel_and_wait_with`](super::Vm::cancel_and_wait_with) cancels a block job.
#[derive(Clone, Debug)]
pub struct CancelJob {
    pub(super) force: bool,
    pub(super) resume: bool,
    pub(super) wait: Duration,
}

impl Default for CancelJob {
    fn default() -> Self {
        Self { force: false, resume: false, wait: END_LIMIT }
    }
}

impl CancelJob {
    /// Without force, waiting 60 s at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels a ready job without completing it, and one that is paused.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Lets a drive go on that [`Vm::pause_drive`](super::Vm::pause_drive) holds, once the job is
    /// asked to end.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// How long to wait for its end.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }
}

/// How a block job shall end, for
/// [`Vm::wait_until_completed_with`](super::Vm::wait_until_completed_with).
#[derive(Clone, Debug)]
pub struct Completion {
    pub(super) error: Option<String>,
    pub(super) check_offset: bool,
    pub(super) wait: Duration,
}

impl Default for Completion {
    fn default() -> Self {
        Self { error: None, check_offset: true, wait: END_LIMIT }
    }
}

impl Completion {
    /// Without an error, with all of its work done, within 60 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this error instead, however much was done.
    #[must_use]
    pub fn error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// However much was done (`check_offset=False`).
    #[must_use]
    pub fn any_offset(mut self) -> Self {
        self.check_offset = false;
        self
    }

    /// Within this time.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }
}
