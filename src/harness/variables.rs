//! The variables that a failure has to name, for it to be reproduced.

use crate::env::TestEnv;

/// Variables that choose what is run or reported, or are there on every machine: none of them
/// changes how a trial goes.
const OTHERS: [&str; 6] = ["PATH", "TMPDIR", "USER", "NO_COLOR", "CI", "QEMU_IOTESTS_REGEN"];
/// Of the harness's own, those that do.
const OWN: [&str; 2] = ["IOTESTS_ACCEL", "IOTESTS_TIMEOUT_SCALE"];
/// The same where the trials are those of a suite.
const OF_SUITE: &str = "IOTESTS_SUITE";

/// The variables that were given and that change what a trial, which may be one of a suite, does.
pub(super) fn of(env: &TestEnv, has_suite: bool) -> Vec<(String, String)> {
    let counts = |name: &str| match name.starts_with("IOTESTS_") {
        true => OWN.contains(&name) || (has_suite && name == OF_SUITE),
        false => !OTHERS.contains(&name),
    };
    env.given()
        .iter()
        .filter(|(name, _)| counts(name))
        .map(|(name, value)| ((*name).to_owned(), value.to_string_lossy().into_owned()))
        .collect()
}
