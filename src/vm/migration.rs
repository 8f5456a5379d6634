//! Migration as seen from the monitor.

use std::time::Duration;

use serde_json::json;

use super::Vm;
use crate::error::{Error, Result};
use crate::filter::Filter;

/// How long a VM may take to its run state once its migration has completed.
const RUNSTATE_LIMIT: Duration = Duration::from_secs(60);
/// How long an event is waited for before the run state is asked for again.
const PAUSE: Duration = Duration::from_millis(5);

impl Vm {
    /// Turns on migration events and logs that (`iotests.py: VM.enable_migration_events`); `name`
    /// is what the log calls this VM.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn enable_migration_events(&mut self, name: &str) -> Result<()> {
        self.enable_migration_events_with(name, &[])
    }

    /// As [`enable_migration_events`](Self::enable_migration_events); what is logged goes through
    /// `filters`.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn enable_migration_events_with(&mut self, name: &str, filters: &[Filter]) -> Result<()> {
        let test = self.test();
        test.log_with(format!("Enabling migration QMP events on {name}..."), filters);
        let capabilities = json!({ "capabilities": [{ "capability": "events", "state": true }] });
        let reply = self.qmp("migrate-set-capabilities", capabilities)?;
        test.log_with(reply, filters);
        Ok(())
    }

    /// Logs migration events until the migration has completed, failed or been cancelled. Says whether
    /// it completed; then it also waits until the VM is in `runstate`
    /// (`iotests.py: VM.wait_migration`).
    ///
    /// # Errors
    /// [`Error::Timeout`] when an event or the run state does not come in time.
    pub fn wait_migration(&mut self, runstate: &str) -> Result<bool> {
        let filters = [self.test().filter_testfiles()];
        self.wait_migration_with(runstate, &filters)
    }

    /// As [`wait_migration`](Self::wait_migration); the events, their times hidden, go through
    /// `filters`.
    ///
    /// # Errors
    /// As [`wait_migration`](Self::wait_migration).
    pub fn wait_migration_with(&mut self, runstate: &str, filters: &[Filter]) -> Result<bool> {
        let filters = [&[Filter::qmp_event()], filters].concat();
        loop {
            let event = self.event_wait("MIGRATION")?;
            self.test().log_with(event.clone(), &filters);
            match event["data"]["status"].as_str() {
                Some("completed") => break,
                Some("failed" | "cancelled") => return Ok(false),
                _ => {}
            }
        }
        // The event can come while the migration still finishes.
        let deadline = self.test().context().limit(RUNSTATE_LIMIT);
        loop {
            let seen = self.queued_events()?;
            let status = self.cmd("query-status", ())?;
            if status["status"] == runstate {
                return Ok(true);
            }
            if deadline.expired() {
                return Err(Error::Timeout {
                    what: format!("the VM to be in run state {runstate} after its migration"),
                    after: deadline.elapsed(),
                    last_seen: status.to_string(),
                });
            }
            // Some changes of the run state come with an event, and some without.
            self.await_event(seen, |_| true, deadline.at_most(PAUSE))?;
        }
    }
}
