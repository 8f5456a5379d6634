//! Which event a wait is for, and how long it waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::JobStatus;
use crate::value::event_match;

/// How long to wait for an event (`qemu.machine: get_qmp_events`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: only what has already arrived.
    No,
    /// As long as the trial may take.
    Forever,
    /// This long, before `IOTESTS_TIMEOUT_SCALE`.
    For(Duration),
}

impl Wait {
    /// The 60 s that `iotests.py` waits where nothing else is said.
    pub const DEFAULT: Self = Self::For(Duration::from_secs(60));
}

type Predicate = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// A description of the event that is waited for: its name, what it must contain, and any
/// predicate (`qemu.machine: event_match`).
#[derive(Clone)]
pub struct EventMatch {
    name: String,
    contains: Option<Value>,
    predicate: Option<Predicate>,
}

impl EventMatch {
    /// Any event of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), contains: None, predicate: None }
    }

    /// An event that contains `value`, compared as upstream does: objects recursively by the keys
    /// of `value`, where `null` only wants the key to be there; everything else by equality.
    #[must_use]
    pub fn containing(mut self, value: Value) -> Self {
        self.contains = Some(value);
        self
    }

    /// An event whose `data` contains `value`.
    #[must_use]
    pub fn data(self, value: Value) -> Self {
        self.containing(json!({ "data": value }))
    }

    /// An event for which `predicate` holds as well.
    #[must_use]
    pub fn satisfying(mut self, predicate: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// A job's change to this status.
    pub fn job_status(job: &str, status: JobStatus) -> Self {
        Self::new("JOB_STATUS_CHANGE").data(json!({ "id": job, "status": status.name() }))
    }

    /// Whether `event` is such an event.
    pub fn matches(&self, event: &Value) -> bool {
        event.get("event").and_then(Value::as_str) == Some(&self.name)
            && self.contains.as_ref().is_none_or(|wanted| event_match(event, wanted))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(event))
    }
}

impl From<&str> for EventMatch {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for EventMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(value) = &self.contains {
            write!(f, " containing {value}")?;
        }
        if self.predicate.is_some() {
            f.write_str(" satisfying a predicate")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EventMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventMatch({self})")
    }
}
