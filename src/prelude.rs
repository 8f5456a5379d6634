//! What a case file needs: `use iotests::prelude::*;`.

pub use serde_json::{Value, json};
pub use std::time::Duration;

pub use crate::context::ScratchFile;
pub use crate::env::{ToolKind, Version};
pub use crate::error::{Error, Result, TestResult, Unchecked};
pub use crate::filter::Filter;
pub use crate::process::{Output, Status};
pub use crate::qmp::{Args, EventMatch, JobStatus, Wait};
pub use crate::suite::{Declare, Fixture, Requirement, Suite};
pub use crate::test::Test;
pub use crate::tools::InfoLog;
pub use crate::vm::{CancelJob, Completion, Drive, IoTarget, RunJob, Vm};
