//! From a job's start to its dismissal, with everything on the way logged.

use std::time::Duration;

use serde_json::{Value, json};

use super::Vm;
use crate::error::{Result, TestResult};
use crate::filter::Filter;
use crate::qmp::{EventMatch, Wait};

type Callback<'a> = Box<dyn FnMut(&mut Vm) -> TestResult + 'a>;

/// How [`Vm::run_job`] takes a job to its end (`iotests.py: VM.run_job`).
pub struct RunJob<'a> {
    auto_finalize: bool,
    auto_dismiss: bool,
    pre_finalize: Option<Callback<'a>>,
    cancel: bool,
    wait: Duration,
    filters: Option<Vec<Filter>>,
}

impl Default for RunJob<'_> {
    fn default() -> Self {
        Self {
            auto_finalize: true,
            auto_dismiss: false,
            pre_finalize: None,
            cancel: false,
            wait: Duration::from_secs(60),
            filters: None,
        }
    }
}

impl<'a> RunJob<'a> {
    /// For a job that was started as jobs are by default: finalized by QEMU, dismissed here.
    pub fn new() -> Self {
        Self::default()
    }

    /// The job was started with `auto-finalize` off: finalize it here.
    #[must_use]
    pub fn manual_finalize(mut self) -> Self {
        self.auto_finalize = false;
        self
    }

    /// The job dismisses itself.
    #[must_use]
    pub fn auto_dismiss(mut self) -> Self {
        self.auto_dismiss = true;
        self
    }

    /// Called when the job is pending, before it is finalized or cancelled. What fails in it ends
    /// the run of the job.
    #[must_use]
    pub fn pre_finalize(mut self, callback: impl FnMut(&mut Vm) -> TestResult + 'a) -> Self {
        self.pre_finalize = Some(Box::new(callback));
        self
    }

    /// Cancels the pending job instead of finalizing it.
    #[must_use]
    pub fn cancel(mut self) -> Self {
        self.cancel = true;
        self
    }

    /// How long to wait for each event; 60 s by default.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// What the logged messages go through, instead of the filter that hides scratch files.
    #[must_use]
    pub fn filters(mut self, filters: impl Into<Vec<Filter>>) -> Self {
        self.filters = Some(filters.into());
        self
    }
}

impl Vm {
    /// Takes a job from its creation to its dismissal; its block job events, the commands given
    /// and their replies are logged (`iotests.py: VM.run_job`).
    ///
    /// Returns the job's error, if it ended with one that could still be asked for.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::error::Error::Timeout) when an event does not come in time; what
    /// [`RunJob::pre_finalize`] met, with its place in the case.
    #[track_caller]
    pub fn run_job(&mut self, job: &str, options: RunJob<'_>) -> TestResult<Option<String>> {
        let RunJob { auto_finalize, auto_dismiss, mut pre_finalize, cancel, wait, filters } = options;
        let test = self.test();
        let filters = filters.unwrap_or_else(|| vec![test.filter_testfiles()]);
        let by_device = json!({ "device": job });
        let by_id = json!({ "id": job });
        let wanted = [
            EventMatch::new("BLOCK_JOB_COMPLETED").data(by_device.clone()),
            EventMatch::new("BLOCK_JOB_CANCELLED").data(by_device.clone()),
            EventMatch::new("BLOCK_JOB_ERROR").data(by_device.clone()),
            EventMatch::new("BLOCK_JOB_READY").data(by_device),
            EventMatch::new("BLOCK_JOB_PENDING").data(by_id.clone()),
            EventMatch::new("JOB_STATUS_CHANGE").data(by_id.clone()),
        ];
        let event_filters = [vec![Filter::qmp_event()], filters.clone()].concat();
        let mut failure = None;
        loop {
            let event = self.events_wait(&wanted, Wait::For(wait))?;
            if event["event"] != "JOB_STATUS_CHANGE" {
                test.log_with(event, &event_filters);
                continue;
            }
            match event["data"]["status"].as_str().unwrap_or_default() {
                "aborting" => {
                    if let Some(error) = self.job_error(job)? {
                        test.log_with(format!("Job failed: {error}"), &filters);
                        failure = Some(error);
                    }
                }
                "ready" => {
                    self.qmp_log_with("job-complete", by_id.clone(), &filters, None)?;
                }
                "pending" if !auto_finalize => {
                    if let Some(callback) = &mut pre_finalize {
                        callback(self)?;
                    }
                    let command = if cancel { "job-cancel" } else { "job-finalize" };
                    self.qmp_log_with(command, by_id.clone(), &filters, None)?;
                }
                "concluded" if !auto_dismiss => {
                    self.qmp_log_with("job-dismiss", by_id.clone(), &filters, None)?;
                }
                "null" => return Ok(failure),
                _ => {}
            }
        }
    }

    /// Creates an image by a job and logs all of it, then an empty line
    /// (`iotests.py: VM.blockdev_create`).
    ///
    /// Returns what went wrong, if anything did: the text of the job's error, or the error of the
    /// command itself as an object.
    ///
    /// # Errors
    /// Those of [`Vm::run_job`].
    pub fn blockdev_create(&mut self, options: Value) -> Result<Option<Value>> {
        let filters = [self.test().filter_testfiles()];
        self.blockdev_create_with("job0", options, &filters)
    }

    /// As [`Vm::blockdev_create`], with another job id and logged through these filters.
    ///
    /// # Errors
    /// Those of [`Vm::run_job`].
    pub fn blockdev_create_with(
        &mut self,
        job: &str,
        options: Value,
        filters: &[Filter],
    ) -> Result<Option<Value>> {
        let arguments = json!({ "job-id": job, "options": options });
        let reply = self.qmp_log_with("blockdev-create", arguments, filters, None)?;
        let result = match reply.get("error") {
            Some(error) => Some(error.clone()),
            None => {
                self.test().assert_qmp(&reply, "return", json!({})).map_err(|failure| failure.error)?;
                let ended = self.run_job(job, RunJob::new().filters(filters));
                ended.map_err(|failure| failure.error)?.map(Value::String)
            }
        };
        self.test().log("");
        Ok(result)
    }

    /// The error of a job that is still listed.
    fn job_error(&mut self, job: &str) -> Result<Option<String>> {
        let jobs = self.cmd("query-jobs", ())?;
        let entry = jobs.as_array().into_iter().flatten().find(|entry| entry["id"] == job);
        Ok(entry.and_then(|entry| entry["error"].as_str()).map(str::to_owned))
    }
}
