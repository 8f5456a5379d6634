//! Tests of the harness itself: small suites that pass, fail and break in every way are run as a
//! user would run them, and what they print is compared.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod kill;
mod mistakes;
mod moved;
mod names;
mod outcomes;
mod preflight;
mod printing;
mod project;
mod references;
mod register;
mod reports;
mod run_control;
#[path = "../support/script.rs"]
mod script;
mod scripts;
mod selection;
#[path = "../support/target.rs"]
mod target;
