//! The variables that a failure has to name, for it to be reproduced.

use crate::env::TestEnv;

/// Variables that choose what is run or reported, or are there on every machine: none of them
/// changes how a trial goes.
const OTHERS: [&str; 6] = ["PATH", "TMPDIR", "USER", "NO_COLOR", "CI", "QEMU_IOTESTS_REGEN"];
/// Of the harness's own, those that do.
const OWN: [&str; 3] = ["IOTESTS_ACCEL", "IOTESTS_SUITE", "IOTESTS_TIMEOUT_SCALE"];

/// The variables that were given and that change what a trial does.
pub(super) fn of(env: &TestEnv) -> Vec<(String, String)> {
    env.given()
        .iter()
        .filter(|(name, _)| !OTHERS.contains(name) && (OWN.contains(name) || !name.starts_with("IOTESTS_")))
        .map(|(name, value)| ((*name).to_owned(), value.to_string_lossy().into_owned()))
        .collect()
}
