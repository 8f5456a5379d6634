//! Block jobs as unittest-style cases drive them: wait, check, go on.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CancelJob, Completion, Vm};
use crate::error::{Error, TestResult};
use crate::qmp::{EventMatch, Wait};
use crate::test::failed;

/// How long a job may take to pause (`iotests.py: QMPTestCase.pause_wait`).
const PAUSE_LIMIT: Duration = Duration::from_secs(3);
/// How long a job that is paused may still be busy before it is looked at again.
const SOON: Duration = Duration::from_millis(5);

const COMPLETED: &str = "BLOCK_JOB_COMPLETED";
const CANCELLED: &str = "BLOCK_JOB_CANCELLED";
const STATUS_CHANGE: &str = "JOB_STATUS_CHANGE";

impl Vm {
    /// Demands that there is no block job (`iotests.py: QMPTestCase.assert_no_active_block_jobs`).
    ///
    /// # Errors
    /// A failed assertion that shows the jobs.
    #[track_caller]
    pub fn assert_no_active_block_jobs(&mut self) -> TestResult {
        let jobs = self.qmp("query-block-jobs", ())?;
        self.test().assert_qmp(&jobs, "return", json!([]))
    }

    /// Cancels a block job and waits for its end; returns the event that reported it
    /// (`iotests.py: QMPTestCase.cancel_and_wait`). Then no job is left, and what else was reported about this
    /// one is forgotten.
    ///
    /// # Errors
    /// A failed assertion when QEMU refuses or jobs are left; a time-out.
    #[track_caller]
    pub fn cancel_and_wait(&mut self, drive: &str) -> TestResult<Value> {
        self.cancel_and_wait_with(drive, CancelJob::new())
    }

    /// As [`Vm::cancel_and_wait`], with other than the usual options.
    ///
    /// # Errors
    /// As [`Vm::cancel_and_wait`].
    #[track_caller]
    pub fn cancel_and_wait_with(&mut self, drive: &str, options: CancelJob) -> TestResult<Value> {
        let CancelJob { force, resume, wait } = options;
        let reply = self.qmp("block-job-cancel", json!({ "device": drive, "force": force }))?;
        self.test().assert_qmp(&reply, "return", json!({}))?;
        if resume {
            self.resume_drive(drive)?;
        }
        let event = self.block_job_end(drive, wait)?;
        self.assert_block_job_gone(drive)?;
        Ok(event)
    }

    /// Waits until a block job has completed without an error, all of it done; returns the event
    /// (`iotests.py: QMPTestCase.wait_until_completed`). Then no job is left, and what else was reported about
    /// this one is forgotten.
    ///
    /// # Errors
    /// A failed assertion when it failed, stopped short, or jobs are left; a time-out.
    #[track_caller]
    pub fn wait_until_completed(&mut self, drive: &str) -> TestResult<Value> {
        self.wait_until_completed_with(drive, Completion::new())
    }

    /// Waits until a block job has completed with this error; returns the event
    /// (`iotests.py: QMPTestCase.wait_until_completed(error=…)`).
    ///
    /// # Errors
    /// A failed assertion when it ended with another or none; a time-out.
    #[track_caller]
    pub fn wait_until_failed(&mut self, drive: &str, error: &str) -> TestResult<Value> {
        self.wait_until_completed_with(drive, Completion::new().error(error))
    }

    /// As [`Vm::wait_until_completed`], for a job that shall end as `wanted` says.
    ///
    /// # Errors
    /// A failed assertion when it ended otherwise, or jobs are left; a time-out.
    #[track_caller]
    pub fn wait_until_completed_with(&mut self, drive: &str, wanted: Completion) -> TestResult<Value> {
        let event = self.block_job_end(drive, wanted.wait)?;
        if event["event"] != COMPLETED {
            let message = format!("block job {drive} was cancelled, it should have completed\n{event:#}");
            return Err(failed(message));
        }
        let test = self.test();
        match wanted.error {
            Some(error) => test.assert_qmp(&event, "data/error", error)?,
            None => {
                test.assert_qmp_absent(&event, "data/error")?;
                if wanted.check_offset {
                    test.assert_qmp(&event, "data/offset", event["data"]["len"].clone())?;
                }
            }
        }
        self.assert_block_job_gone(drive)?;
        Ok(event)
    }

    /// Waits until a mirror or active commit is ready to be completed
    /// (`iotests.py: QMPTestCase.wait_ready`).
    ///
    /// # Errors
    /// A time-out.
    #[track_caller]
    pub fn wait_ready(&mut self, drive: &str) -> TestResult<Value> {
        let ready = |kind| EventMatch::new("BLOCK_JOB_READY").data(json!({ "type": kind, "device": drive }));
        Ok(self.events_wait(&[ready("mirror"), ready("commit")], Wait::DEFAULT)?)
    }

    /// Waits until a mirror is ready, then cancels it, which leaves a complete copy
    /// (`iotests.py: QMPTestCase.wait_ready_and_cancel`).
    ///
    /// # Errors
    /// A failed assertion when it did not complete; a time-out.
    #[track_caller]
    pub fn wait_ready_and_cancel(&mut self, drive: &str) -> TestResult<Value> {
        self.wait_ready(drive)?;
        let event = self.cancel_and_wait(drive)?;
        let test = self.test();
        test.assert_qmp(&event, "event", COMPLETED)?;
        test.assert_qmp(&event, "data/type", "mirror")?;
        test.assert_qmp(&event, "data/offset", event["data"]["len"].clone())?;
        Ok(event)
    }

    /// Waits until a mirror or active commit is ready, completes it and waits for its end
    /// (`iotests.py: QMPTestCase.complete_and_wait`).
    ///
    /// # Errors
    /// As [`Vm::wait_until_completed`].
    #[track_caller]
    pub fn complete_and_wait(&mut self, drive: &str) -> TestResult<Value> {
        self.wait_ready(drive)?;
        self.complete_ready_and_wait(drive)
    }

    /// As [`Vm::complete_and_wait`] for a job that is known to be ready (`wait_ready=False`).
    ///
    /// # Errors
    /// As [`Vm::wait_until_completed`].
    #[track_caller]
    pub fn complete_ready_and_wait(&mut self, drive: &str) -> TestResult<Value> {
        let reply = self.qmp("block-job-complete", json!({ "device": drive }))?;
        let test = self.test();
        test.assert_qmp(&reply, "return", json!({}))?;
        let event = self.wait_until_completed(drive)?;
        test.assert_qmp(&event, "data/type", json!(["mirror", "commit"]))?;
        Ok(event)
    }

    /// As [`Vm::complete_and_wait`] for a job that shall end with this error
    /// (`completion_error=…`).
    ///
    /// # Errors
    /// As [`Vm::wait_until_failed`].
    #[track_caller]
    pub fn complete_and_fail(&mut self, drive: &str, error: &str) -> TestResult<Value> {
        self.wait_ready(drive)?;
        let reply = self.qmp("block-job-complete", json!({ "device": drive }))?;
        let test = self.test();
        test.assert_qmp(&reply, "return", json!({}))?;
        let event = self.wait_until_failed(drive, error)?;
        test.assert_qmp(&event, "data/type", json!(["mirror", "commit"]))?;
        Ok(event)
    }

    /// Pauses a block job and waits until it is; returns its entry
    /// (`iotests.py: QMPTestCase.pause_job`).
    ///
    /// # Errors
    /// As [`Vm::pause_wait`].
    #[track_caller]
    pub fn pause_job(&mut self, job: &str) -> TestResult<Value> {
        let reply = self.qmp("block-job-pause", json!({ "device": job }))?;
        self.test().assert_qmp(&reply, "return", json!({}))?;
        self.pause_wait(job)
    }

    /// Waits, 3 s at most, until a block job is paused and idle; returns its entry
    /// (`iotests.py: QMPTestCase.pause_wait`).
    ///
    /// # Errors
    /// A failed assertion when there is no such job; a time-out.
    #[track_caller]
    pub fn pause_wait(&mut self, job: &str) -> TestResult<Value> {
        let deadline = self.test().context().limit(PAUSE_LIMIT);
        let changed = |event: &Value| event["event"] == STATUS_CHANGE && event["data"]["id"] == job;
        loop {
            // A change that is reported before the answer to the query may be younger than the answer.
            let seen = self.queued_events()?;
            let reply = self.qmp("query-block-jobs", ())?;
            let jobs = reply["return"].as_array();
            let Some(entry) = jobs.into_iter().flatten().find(|entry| entry["device"] == job) else {
                return Err(failed(format!("there is no block job {job}\n{reply:#}")));
            };
            if entry["paused"] == true && entry["busy"] == false {
                return Ok(entry.clone());
            }
            if deadline.expired() {
                let (what, last_seen) = (format!("block job {job} to pause"), format!("{entry:#}"));
                return Err(Error::Timeout { what, after: deadline.elapsed(), last_seen }.into());
            }
            // QEMU reports that a job is paused shortly before it is idle, and does not report the latter.
            let patience = if entry["paused"] == true { deadline.at_most(SOON) } else { deadline };
            self.await_event(seen, changed, patience)?;
        }
    }

    /// Waits for the end of a block job. Events of other jobs stay for later waits.
    #[track_caller]
    fn block_job_end(&mut self, drive: &str, limit: Duration) -> TestResult<Value> {
        let is_end = |event: &Value| {
            let name = event["event"].as_str().unwrap_or_default();
            matches!(name, COMPLETED | CANCELLED) && event["data"]["device"] == drive
        };
        let started = self.test().context().limit(limit);
        if let Some(event) = self.next_event(is_end, Wait::For(limit))? {
            return Ok(event);
        }
        Err(Error::Timeout {
            what: format!("the end of block job {drive}"),
            after: started.elapsed(),
            last_seen: self.last_messages(),
        }
        .into())
    }

    /// Demands that no block job is left, and forgets all that was reported about this one: the next job of
    /// its name would seem to be further than it is.
    #[track_caller]
    fn assert_block_job_gone(&mut self, drive: &str) -> TestResult {
        self.assert_no_active_block_jobs()?;
        let of_job = |event: &Value| {
            let name = event["event"].as_str().unwrap_or_default();
            let of_a_job = name == STATUS_CHANGE || name.starts_with("BLOCK_JOB_");
            of_a_job && (event["data"]["device"] == drive || event["data"]["id"] == drive)
        };
        self.running_mut("forgetting events")?.monitor.forget_events(of_job);
        Ok(())
    }
}
