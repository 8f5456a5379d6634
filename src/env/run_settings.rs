//! The harness's own variables: which cases run, how, and what is reported where.

use std::path::{Path, PathBuf};

use super::TestEnv;
use super::reader::Reader;
use super::values::{self, Accel, GroupFilter, Listing, OracleSeeds, TimeoutScale};

/// `IOTESTS_*`, and the two that many programs heed.
#[derive(Debug)]
pub(super) struct RunSettings {
    pub(super) timeout_scale: TimeoutScale,
    accel: Option<Accel>,
    bless: bool,
    ci: bool,
    color: bool,
    fail_fast: bool,
    groups: GroupFilter,
    keep: bool,
    listing: Option<Listing>,
    new_case: Option<String>,
    rerun_failed: bool,
    seeds: Option<OracleSeeds>,
    suite: Option<PathBuf>,
    junit: Option<PathBuf>,
    log: Option<PathBuf>,
    tap: Option<PathBuf>,
    unittest: Option<PathBuf>,
    trial: Option<String>,
    nextest_run: Option<String>,
}

const ONE_OR_ZERO: [&str; 2] = ["1", "0"];

impl RunSettings {
    pub(super) fn read(reader: &mut Reader, valgrind: bool, gdb: bool) -> Self {
        let positive =
            |text: &str| text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        let factor = reader.parsed("IOTESTS_TIMEOUT_SCALE", positive).unwrap_or(1.0);
        let regenerate = reader.raw("QEMU_IOTESTS_REGEN").is_some();
        let mut on = |name| reader.switch(name, ONE_OR_ZERO).unwrap_or(false);
        Self {
            bless: on("IOTESTS_BLESS") || regenerate,
            fail_fast: on("IOTESTS_FAIL_FAST"),
            keep: on("IOTESTS_KEEP"),
            timeout_scale: TimeoutScale::new(factor, valgrind, gdb),
            accel: reader.parsed("IOTESTS_ACCEL", Accel::from_name),
            ci: reader.raw("CI").is_some_and(|value| value != "false" && value != "0"),
            color: reader.raw("NO_COLOR").is_none(),
            groups: reader.parsed("IOTESTS_GROUPS", GroupFilter::parse).unwrap_or_default(),
            listing: reader.parsed("IOTESTS_LIST", Listing::from_name),
            new_case: reader
                .parsed("IOTESTS_NEW", |text| values::is_case_path(text).then(|| text.to_owned())),
            rerun_failed: reader.one_of("IOTESTS_RERUN", &["failed"]).is_some(),
            seeds: reader.parsed("IOTESTS_SEEDS", OracleSeeds::parse),
            suite: reader.directory("IOTESTS_SUITE"),
            junit: reader.path("IOTESTS_JUNIT"),
            log: reader.path("IOTESTS_LOG"),
            tap: reader.path("IOTESTS_TAP"),
            unittest: reader.path("IOTESTS_UNITTEST"),
            trial: reader.text("IOTESTS_TRIAL"),
            nextest_run: reader.text("NEXTEST_RUN_ID"),
        }
    }
}

impl TestEnv {
    /// The accelerator that was asked for; [`accelerator`](Self::accelerator) is the one to use.
    pub fn accel(&self) -> Option<Accel> {
        self.run().accel
    }

    /// Whether to write references instead of comparing with them.
    pub fn bless(&self) -> bool {
        self.run().bless
    }

    /// How long the oracle searches, if it was said.
    pub fn oracle_seeds(&self) -> Option<OracleSeeds> {
        self.run().seeds
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
