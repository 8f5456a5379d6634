//! A look at the binaries before anything runs: one broken binary is one failure, not a hundred.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::args::Args;
use super::printing::{self, say};
use crate::env::{TestEnv, ToolKind, check_space};
use crate::error::Error;

/// Binaries without which nothing is run. The others are looked at if they are there, or named by
/// their variables; a test that needs one of those says so.
const NEEDED: [ToolKind; 3] = [ToolKind::QemuImg, ToolKind::QemuIo, ToolKind::Qemu];

/// Files that the harness has open, and those that it has open for one trial.
const OPEN_FILES: u64 = 64;
const OPEN_FILES_OF_TRIAL: u64 = 16;
/// The limit that most systems have, which QEMU, too, gets along with.
const USUAL_LIMIT: u64 = 1024;

/// Makes sure that the binaries are there and go together, as far as is known of them, and that they can be started.
pub(crate) fn check(env: &TestEnv, args: &Args) -> Result<(), Error> {
    open_files(args.threads())?;
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

/// Makes sure that the suite supports these versions of QEMU. Runs after `check` has found the binaries.
pub(super) fn check_versions(env: &TestEnv, args: &Args) -> Result<(), Error> {
    let warning = env.supported_version(&looked_at(env))?;
    if let Some(warning) = warning.filter(|_| !args.libtest.list && args.exact_names().is_none()) {
        say(format_args!("iotests: {warning}"));
    }
    Ok(())
}

/// Starts each binary, and looks for the space in `base` that many trials need. Skipped for small runs, so that
/// re-running one trial stays fast.
pub(super) fn start(env: &TestEnv, base: &Path, trials: usize) -> Result<(), Error> {
    let which = looked_at(env);
    if trials <= which.len() {
        return Ok(());
    }
    fs::create_dir_all(base).map_err(Error::io(format!("create {}", base.display())))?;
    check_space(base)?;
    env.start_each(&which)
}

/// Makes sure that this process and its children may open as many files as so many threads need.
fn open_files(threads: usize) -> Result<(), Error> {
    let needed = OPEN_FILES + OPEN_FILES_OF_TRIAL * threads as u64;
    let failed = || "look up or raise the limit of open files";
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(Error::os(failed()))?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(Error::Setup(format!(
            "this process may have {soft} files open, and may not raise that beyond {hard}; {threads} trials at a time need \
             {needed}\nwhat to do: run it where `ulimit -Hn` is higher, or with a smaller --test-threads"
        )));
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed.max(USUAL_LIMIT).min(hard), hard).map_err(Error::os(failed()))
}

fn looked_at(env: &TestEnv) -> Vec<ToolKind> {
    let looked_at = |kind: &ToolKind| NEEDED.contains(kind) || env.is_named(*kind) || env.tool(*kind).is_ok();
    ToolKind::ALL.into_iter().filter(looked_at).collect()
}

/// Reports `error` as a run with that one failure.
pub(crate) fn fail(args: &Args, error: &Error) -> ExitCode {
    if args.libtest.list {
        say(format_args!("iotests: {error}"));
        return ExitCode::FAILURE;
    }
    let text = format!("{error}\nnothing else was run");
    let trial = Trial::test("preflight", move || Err(Failed::from(text)));
    printing::libtest(&args.unfiltered(), vec![trial]).unwrap_or_else(|error| printing::failed(&error))
}
