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
    /// A trial with these variables set, and PATH.
    pub(crate) fn in_dir(dir: TempDir, imgfmt: &str, vars: &[(&str, &Path)], limit: Duration) -> Self {
        let path = ("PATH".into(), std::env::var_os("PATH").unwrap());
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
        let env = Arc::new(TestEnv::from_vars(vars.chain([path])).unwrap());
        // Asked for now, so that it does not take from the trial's time.
        let _ = env.caps().emulator();
        let params = Params { imgfmt: imgfmt.to_owned(), imgproto: "file".to_owned(), param: None };
        let run = RunDir::create(dir.path(), dir.path()).unwrap();
        let context = Context::new(env, params, run.trial().unwrap(), Some(limit), Registry::new());
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
