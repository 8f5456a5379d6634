//! A handle on one job, with typed waits.

use serde_json::{Value, json};

use super::{RunJob, Vm};
use crate::error::{Error, Result, TestResult};
use crate::qmp::EventMatch;

/// What a job's status can be.
const STATUSES: [&str; 10] = [
    "created",
    "running",
    "paused",
    "ready",
    "standby",
    "waiting",
    "pending",
    "aborting",
    "concluded",
    "null",
];

/// One job of a running VM. Waits see events from before they began: none is missed.
#[derive(Debug)]
pub struct Job<'vm> {
    vm: &'vm mut Vm,
    id: String,
}

impl Vm {
    /// A handle on the job with this id.
    pub fn job(&mut self, id: impl Into<String>) -> Job<'_> {
        Job { vm: self, id: id.into() }
    }
}

impl Job<'_> {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits until the job changes to this status (`ready`, `pending`, `concluded`, …), 60 s at
    /// most.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not; [`Error::Assertion`] when there is no such status.
    pub fn wait_status(&mut self, status: &str) -> Result<Value> {
        if !STATUSES.contains(&status) {
            let known = STATUSES.join(", ");
            return Err(Error::assertion(format!("a job is never {status:?}, only one of {known}")));
        }
        self.vm.event_wait(EventMatch::job_status(&self.id, status))
    }

    /// Waits until the job is paused, be it already or from now on. [`wait_status`](Self::wait_status)
    /// may see an older pause, such as that for a change of the block graph.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not pause; [`Error::Assertion`] when there is no such job.
    pub fn wait_paused(&mut self) -> Result<()> {
        while self.status()? != "paused" {
            self.wait_status("paused")?;
        }
        Ok(())
    }

    /// Its entry in `query-jobs`; `None` once it is gone.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn query(&mut self) -> Result<Option<Value>> {
        let jobs = self.vm.cmd("query-jobs", ())?;
        Ok(jobs.as_array().into_iter().flatten().find(|entry| entry["id"] == *self.id).cloned())
    }

    /// Its status now; an error when it is gone.
    ///
    /// # Errors
    /// [`Error::Assertion`] when there is no such job.
    pub fn status(&mut self) -> Result<String> {
        let entry = self.query()?;
        entry
            .and_then(|entry| entry["status"].as_str().map(str::to_owned))
            .ok_or_else(|| Error::assertion(format!("there is no job {}", self.id)))
    }

    /// Pauses it.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn pause(&mut self) -> Result<()> {
        self.act("job-pause")
    }

    /// Resumes it.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn resume(&mut self) -> Result<()> {
        self.act("job-resume")
    }

    /// Completes a job that is ready.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn complete(&mut self) -> Result<()> {
        self.act("job-complete")
    }

    /// Cancels it.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn cancel(&mut self) -> Result<()> {
        self.act("job-cancel")
    }

    /// Finalizes a job that is pending.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn finalize(&mut self) -> Result<()> {
        self.act("job-finalize")
    }

    /// Dismisses a job that is concluded.
    ///
    /// # Errors
    /// [`Error::Qmp`] when QEMU refuses.
    pub fn dismiss(&mut self) -> Result<()> {
        self.act("job-dismiss")
    }

    /// Takes it to its end, logged: see [`Vm::run_job`].
    ///
    /// # Errors
    /// Those of [`Vm::run_job`].
    #[track_caller]
    pub fn run(&mut self, options: RunJob<'_>) -> TestResult<Option<String>> {
        self.vm.run_job(&self.id, options)
    }

    fn act(&mut self, command: &str) -> Result<()> {
        self.vm.cmd(command, json!({ "id": self.id })).map(drop)
    }
}
