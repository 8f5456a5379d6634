//! A trial without a harness, in an environment of its own.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use iotests::context::{Context, Params, RunDir};
use iotests::env::TestEnv;
use iotests::error::Error;
use iotests::process::Registry;
use iotests::test::Test;
use tempfile::TempDir;

/// Longer than any trial takes that does not have to run into its limit.
pub(crate) const AMPLE: Duration = Duration::from_secs(120);

/// A trial, and the directory that everything of it is in.
pub(crate) struct Stage {
    pub(crate) test: Test,
    _run: RunDir,
    dir: TempDir,
}

impl Stage {
    /// A trial with these variables set, and those of this process that say where the binaries are.
    pub(crate) fn in_dir(dir: TempDir, imgfmt: &str, vars: &[(&str, &Path)], limit: Duration) -> Self {
        let given = |name: &OsString| vars.iter().any(|(own, _)| name == own);
        // Options of the emulator, such as where its firmware is, go with the emulator.
        let own_emulator = given(&OsString::from("QEMU_PROG"));
        let where_from = |name: &OsString| {
            name == "PATH"
                || name.to_string_lossy().ends_with("_PROG")
                || (name == "QEMU_OPTIONS" && !own_emulator)
        };
        let inherited = std::env::vars_os().filter(|(name, _)| where_from(name) && !given(name));
        let own = vars.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
        let env = Arc::new(TestEnv::from_vars(own.chain(inherited)).unwrap());
        // Asked for now, so that it does not take from the trial's time.
        let _ = env.caps().emulator();
        let params = Params { imgfmt: imgfmt.to_owned(), imgproto: "file".to_owned(), param: None };
        let run = RunDir::create(dir.path(), dir.path()).unwrap();
        let limit = env.timeout_scale().scale(limit);
        let context = Context::new(env, params, run.trial().unwrap(), limit, Registry::new());
        Self { test: Test::with_context(Arc::new(context)), _run: run, dir }
    }

    /// What destructors found wrong.
    pub(crate) fn late(&self) -> Vec<String> {
        self.test.context().take_late().iter().map(|error| self.text(error)).collect()
    }

    /// The message of an error, without the time it took and where this trial's files are.
    pub(crate) fn text(&self, error: &Error) -> String {
        text(error).replace(self.dir.path().to_str().unwrap(), "DIR")
    }
}

/// The message of an error without the time it took.
pub(crate) fn text(error: &Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("timed out after ").and_then(|rest| rest.split_once(" s ")) {
        Some((_, rest)) => format!("timed out {rest}"),
        None => text,
    }
}
