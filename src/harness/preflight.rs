//! A look at the binaries before anything runs: one broken binary is one failure, not a hundred.

use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};

use super::args::Args;
use super::printing::{self, say};
use crate::env::{TestEnv, ToolKind};
use crate::error::Error;

/// Binaries without which nothing is run. The others are looked at if they are there, or named by
/// their variables; a test that needs one of those says so.
const NEEDED: [ToolKind; 3] = [ToolKind::QemuImg, ToolKind::QemuIo, ToolKind::Qemu];

/// Makes sure that the binaries are there and go together, as far as is known of them.
pub(crate) fn check(env: &TestEnv, args: &Args) -> Result<(), Error> {
    let which = looked_at(env);
    env.preflight(&which)?;
    let warning = env.one_version(&which)?;
    if args.libtest.list {
        return Ok(());
    }
    env.debugger()?;
    if args.exact_names().is_some() {
        return Ok(());
    }
    if let Some(warning) = warning {
        say(format_args!("iotests: {warning}"));
    }
    env.try_kvm()
}

/// Makes sure that the suite supports these versions of QEMU. Once `check` has said that the binaries are there.
pub(super) fn check_versions(env: &TestEnv, args: &Args) -> Result<(), Error> {
    let warning = env.supported_version(&looked_at(env))?;
    if let Some(warning) = warning.filter(|_| !args.libtest.list && args.exact_names().is_none()) {
        say(format_args!("iotests: {warning}"));
    }
    Ok(())
}

/// Starts each binary, where more trials than there are binaries would tell that one does not work any more. Of
/// those who run a trial again and again, none wants to wait for it.
pub(super) fn start(env: &TestEnv, trials: usize) -> Result<(), Error> {
    let which = looked_at(env);
    if trials > which.len() { env.start_each(&which) } else { Ok(()) }
}

fn looked_at(env: &TestEnv) -> Vec<ToolKind> {
    let looked_at = |kind: &ToolKind| NEEDED.contains(kind) || env.is_named(*kind) || env.tool(*kind).is_ok();
    ToolKind::ALL.into_iter().filter(looked_at).collect()
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
