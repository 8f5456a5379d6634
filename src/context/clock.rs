//! How long the waits of one trial may be.

use std::time::Duration;

use crate::env::TimeoutScale;
use crate::process::Deadline;

/// The time of a trial, for the trial and for what it owns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    time: Time,
    scale: TimeoutScale,
}

#[derive(Clone, Copy, Debug)]
enum Time {
    /// All waits together, until then.
    Until(Deadline),
    /// Each of them, this long; `None` lifts the limit.
    Each(Option<Duration>),
}

impl Clock {
    /// All waits end this long from now; without a limit, they may last.
    pub(super) fn until(limit: Option<Duration>, scale: TimeoutScale) -> Self {
        Self { time: Time::Until(limit.map_or_else(Deadline::never, Deadline::after)), scale }
    }

    /// Each wait may last this long.
    pub(super) fn each(limit: Option<Duration>, scale: TimeoutScale) -> Self {
        Self { time: Time::Each(limit), scale }
    }

    /// When a wait that begins now must end.
    pub(crate) fn deadline(&self) -> Deadline {
        match self.time {
            Time::Until(deadline) => deadline,
            Time::Each(limit) => limit.map_or_else(Deadline::never, Deadline::after),
        }
    }

    /// `limit` from now, scaled, but not beyond the deadline.
    pub(crate) fn limit(&self, limit: Duration) -> Deadline {
        match self.scale.scale(limit) {
            Some(limit) => self.deadline().at_most(limit),
            None => self.deadline(),
        }
    }

    /// Whether what is to be ended is killed rather than waited for: after the deadline, and during a panic.
    pub(crate) fn is_no_time_to_wait(&self) -> bool {
        self.deadline().expired() || std::thread::panicking()
    }
}
