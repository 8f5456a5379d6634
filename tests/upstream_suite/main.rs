//! Tests of the target `upstream`: a small suite in the shape of QEMU's, whose tests pass, fail and
//! break in every way, is run as a user would run QEMU's.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bless;
mod cleanup;
mod selection;
mod suite;
mod verdicts;
