//! A handle on one job, with typed waits.

use serde_json::{Value, json};

use super::{RunJob, Vm};
use crate::error::{Error, Result, TestResult};
use crate::qmp::{EventMatch, JobStatus, Wait};

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

    /// Waits until the job changes to this status, 60 s at most.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not.
    pub fn wait_status(&mut self, status: JobStatus) -> Result<Value> {
        self.vm.event_wait(EventMatch::job_status(&self.id, status))
    }

    /// Waits, 60 s at most, until the job is paused, be it already or from now on, at its work or once
    /// it is ready. [`wait_status`](Self::wait_status) may see an older pause, such as that for a change
    /// of the block graph.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not pause; [`Error::Assertion`] when there is no such job, or
    /// its work is over.
    pub fn wait_paused(&mut self) -> Result<()> {
        let deadline = self.vm.deadline(Wait::DEFAULT);
        loop {
            // A change that is reported before the answer to the query may be younger than the answer.
            let seen = self.vm.queued_events()?;
            let status = self.status()?;
            if matches!(status, JobStatus::Paused | JobStatus::Standby) {
                return Ok(());
            }
            if status.is_ending() {
                return Err(Error::assertion(format!("job {} is {status} and will not pause", self.id)));
            }
            let changed =
                |event: &Value| event["event"] == "JOB_STATUS_CHANGE" && event["data"]["id"] == *self.id;
            if !self.vm.await_event(seen, changed, deadline)? {
                let what = format!("job {} to pause", self.id);
                return Err(Error::Timeout {
                    what,
                    after: deadline.elapsed(),
                    last_seen: status.to_string(),
                });
            }
        }
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
    /// [`Error::Assertion`] when there is no such job; [`Error::Monitor`] for a status that [`JobStatus`] does not have.
    pub fn status(&mut self) -> Result<JobStatus> {
        let Some(entry) = self.query()? else {
            return Err(Error::assertion(format!("there is no job {}", self.id)));
        };
        let status = entry["status"].as_str().unwrap_or_default().parse();
        status.map_err(|problem: String| Error::Monitor {
            peer: "QEMU".to_owned(),
            problem: format!("replied to query-jobs with a status that is not known: {problem}"),
            closed: false,
            transcript: self.vm.last_messages(),
        })
    }

    /// Tells it to pause, and does not wait until it has
    /// (`iotests.py: QMPTestCase.pause_job(wait=False)`).
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
