//! `Test`: what a case is handed.

use std::sync::Arc;

use crate::context::{Context, ScratchFile};
use crate::error::{Error, Result};

/// One trial as its case sees it.
#[derive(Debug)]
pub struct Test {
    ctx: Arc<Context>,
}

impl Test {
    /// The test of one trial; the harness makes it.
    pub fn with_context(ctx: Arc<Context>) -> Self {
        Self { ctx }
    }

    /// What the trial owns.
    pub fn context(&self) -> &Arc<Context> {
        &self.ctx
    }

    /// The image format under test (`iotests.py: imgfmt`).
    pub fn imgfmt(&self) -> &str {
        &self.ctx.params().imgfmt
    }

    /// The protocol under test (`iotests.py: imgproto`).
    pub fn imgproto(&self) -> &str {
        &self.ctx.params().imgproto
    }

    /// This trial's value of the parameter that the suite or test declares; empty without one.
    pub fn param(&self) -> &str {
        self.ctx.params().param.as_deref().unwrap_or_default()
    }

    /// Names a scratch file; nothing is created (`iotests.py: file_path`, `FilePath`).
    pub fn file(&self, name: &str) -> ScratchFile {
        self.ctx.scratch().file(name)
    }

    /// Names several scratch files.
    pub fn files<const N: usize>(&self, names: [&str; N]) -> [ScratchFile; N] {
        names.map(|name| self.file(name))
    }

    /// Names a socket in the socket directory (`iotests.py: file_path(base_dir=sock_dir)`).
    ///
    /// # Errors
    /// [`Error::Setup`] when the path is longer than the kernel allows for a Unix socket.
    pub fn socket(&self, name: &str) -> Result<ScratchFile> {
        self.ctx.scratch().socket(name)
    }

    /// Logs one line of text, as it is.
    pub fn log(&self, line: impl AsRef<str>) {
        self.ctx.log().line(line.as_ref());
    }

    /// Ends the trial as not run, for this reason: `t.skip("no loop devices")?`
    /// (`iotests.py: notrun`, `case_skip`).
    ///
    /// # Errors
    /// Always [`Error::Skip`].
    pub fn skip(&self, reason: impl Into<String>) -> Result<()> {
        Err(Error::Skip(reason.into()))
    }

    /// Notes that a part of the case is not run, and why; the case goes on
    /// (`iotests.py: case_notrun`).
    pub fn case_not_run(&self, reason: impl Into<String>) {
        self.ctx.note_not_run(reason.into());
    }
}
