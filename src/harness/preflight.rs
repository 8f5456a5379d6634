//! A look at the binaries before anything runs: one broken binary is one failure, not a hundred.

use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};

use super::args::Args;
use super::printing::{self, say};
use crate::env::{TestEnv, ToolKind};
use crate::error::Error;

/// Binaries without which nothing is run. The others are looked at if they are there; a test that
/// needs one of those says so.
const NEEDED: [ToolKind; 3] = [ToolKind::QemuImg, ToolKind::QemuIo, ToolKind::Qemu];

/// Starts each binary once.
pub(crate) fn check(env: &TestEnv) -> Result<(), Error> {
    let optional = ToolKind::ALL.into_iter().filter(|kind| !NEEDED.contains(kind) && env.tool(*kind).is_ok());
    env.preflight(&NEEDED.into_iter().chain(optional).collect::<Vec<_>>())
}

/// Tells that `error` was found, in the manner of a run with that one failure.
pub(crate) fn fail(args: &Args, error: &Error) -> ExitCode {
    if args.libtest.list {
        say(format_args!("iotests: {error}"));
        return ExitCode::FAILURE;
    }
    let text = format!("{error}\nnothing else was run");
    let trial = Trial::test("preflight", move || Err(Failed::from(text)));
    printing::libtest(&args.unfiltered(), vec![trial]).unwrap_or_else(|error| printing::failed(&error))
}
