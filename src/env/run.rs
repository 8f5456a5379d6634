//! What the variables of the harness itself say.

use std::path::Path;

use super::{Accel, GroupFilter, Listing, OracleSeeds, TestEnv};

impl TestEnv {
    /// The accelerator that was asked for; [`accelerator`](Self::accelerator) is the one to use.
    pub fn accel(&self) -> Option<Accel> {
        self.run().accel
    }

    /// Whether to write references instead of comparing with them.
    pub fn bless(&self) -> bool {
        self.run().bless
    }

    /// Whether this is a run of continuous integration.
    pub fn ci(&self) -> bool {
        self.run().ci
    }

    /// Whether colours are welcome where there is a terminal.
    pub fn color(&self) -> bool {
        self.run().color
    }

    /// Whether to start nothing more after the first failure.
    pub fn fail_fast(&self) -> bool {
        self.run().fail_fast
    }

    /// Which groups to run.
    pub fn groups(&self) -> &GroupFilter {
        &self.run().groups
    }

    /// How long the oracle searches, if `IOTESTS_SEEDS` says so.
    pub fn oracle_seeds(&self) -> Option<OracleSeeds> {
        self.run().seeds
    }

    /// Whether to keep the scratch directories of passed trials.
    pub fn keep(&self) -> bool {
        self.run().keep
    }

    /// What to list instead of running anything.
    pub fn listing(&self) -> Option<Listing> {
        self.run().listing
    }

    /// The case to make a skeleton of, as `topic/name`.
    pub fn new_case(&self) -> Option<&str> {
        self.run().new_case.as_deref()
    }

    /// Whether to run only what failed last time.
    pub fn rerun_failed(&self) -> bool {
        self.run().rerun_failed
    }

    /// The directory of QEMU's own suite.
    pub fn suite(&self) -> Option<&Path> {
        self.run().suite.as_deref()
    }

    /// Where to write a JUnit report.
    pub fn junit_report(&self) -> Option<&Path> {
        self.run().junit.as_deref()
    }

    /// Where to write one JSON object a trial.
    pub fn json_log(&self) -> Option<&Path> {
        self.run().log.as_deref()
    }

    /// Where to write a TAP report.
    pub fn tap_report(&self) -> Option<&Path> {
        self.run().tap.as_deref()
    }

    /// Where to write the reproducible unittest report.
    pub fn unittest_report(&self) -> Option<&Path> {
        self.run().unittest.as_deref()
    }

    /// The trial that started this process, if one did.
    pub fn trial(&self) -> Option<&str> {
        self.run().trial.as_deref()
    }

    /// The run of nextest that this process is a part of.
    pub fn nextest_run(&self) -> Option<&str> {
        self.run().nextest_run.as_deref()
    }
}
