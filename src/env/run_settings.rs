//! The harness's own variables: which cases run, how, and what is reported where.

use std::path::PathBuf;

use super::reader::Reader;
use super::values::{self, Accel, GroupFilter, Listing, OracleSeeds, TimeoutScale};

/// `IOTESTS_*`, and the two that many programs heed.
#[derive(Debug)]
pub(super) struct RunSettings {
    pub(super) timeout_scale: TimeoutScale,
    pub(super) accel: Option<Accel>,
    pub(super) bless: bool,
    pub(super) ci: bool,
    pub(super) color: bool,
    pub(super) fail_fast: bool,
    pub(super) groups: GroupFilter,
    pub(super) keep: bool,
    pub(super) listing: Option<Listing>,
    pub(super) new_case: Option<String>,
    pub(super) rerun_failed: bool,
    pub(super) seeds: Option<OracleSeeds>,
    pub(super) suite: Option<PathBuf>,
    pub(super) junit: Option<PathBuf>,
    pub(super) log: Option<PathBuf>,
    pub(super) tap: Option<PathBuf>,
    pub(super) unittest: Option<PathBuf>,
    pub(super) trial: Option<String>,
    pub(super) nextest_run: Option<String>,
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
