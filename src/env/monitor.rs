//! The option that makes a character device a QMP monitor. Newer QEMUs have an object for it and warn about `-mon`, in
//! the log of each VM.

use serde::{Deserialize, Serialize};

use super::Tool;
use super::ask::run;
use crate::process::Deadline;

/// The object's type, as `-object help` lists it.
const OBJECT: &str = "monitor-qmp";

/// The option that makes a character device a QMP monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MonitorOption {
    /// `-object monitor-qmp`.
    Object,
    /// `-mon`, where there is no such object.
    Mon,
}

impl MonitorOption {
    /// The one that this emulator takes.
    pub(super) fn of(emulator: &Tool, deadline: Deadline) -> Result<Self, String> {
        let output = run(emulator, &["-object", "help"], deadline)?;
        let has_object = output.stdout.lines().any(|line| line.trim() == OBJECT);
        Ok(if has_object { Self::Object } else { Self::Mon })
    }

    /// The arguments for the character device of this name.
    pub(crate) fn arguments(self, chardev: &str) -> [String; 2] {
        match self {
            Self::Object => ["-object".to_owned(), format!("{OBJECT},id={chardev}-qmp,chardev={chardev}")],
            Self::Mon => ["-mon".to_owned(), format!("chardev={chardev},mode=control")],
        }
    }
}
