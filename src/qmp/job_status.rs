//! What a job of QEMU can be at.

use std::fmt;
use std::str::FromStr;

/// The status of a job (QAPI's `JobStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobStatus {
    /// It exists and has not started.
    Created,
    /// It works.
    Running,
    /// It was paused while it worked.
    Paused,
    /// It has done its work and keeps up with changes until it is completed.
    Ready,
    /// It was paused while it was ready.
    Standby,
    /// It waits for the other jobs of its transaction.
    Waiting,
    /// It waits to be finalized.
    Pending,
    /// It failed or was cancelled, and cleans up.
    Aborting,
    /// It has ended, and waits to be dismissed.
    Concluded,
    /// It is gone.
    Null,
}

impl JobStatus {
    const ALL: [Self; 10] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Ready,
        Self::Standby,
        Self::Waiting,
        Self::Pending,
        Self::Aborting,
        Self::Concluded,
        Self::Null,
    ];

    /// As QEMU writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ready => "ready",
            Self::Standby => "standby",
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Aborting => "aborting",
            Self::Concluded => "concluded",
            Self::Null => "null",
        }
    }

    /// Whether its work is over, well or not: it can neither be paused nor become ready any more.
    pub fn is_ending(self) -> bool {
        matches!(self, Self::Waiting | Self::Pending | Self::Aborting | Self::Concluded | Self::Null)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for JobStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| format!("{text:?}, expected one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
