//! The handle itself: files, log and skips.

use std::sync::Arc;

use crate::context::{Context, ScratchFile};
use crate::error::{Error, Result};
use crate::filter::{Filter, apply_all};
use crate::log::Msg;

/// One trial as its case sees it.
#[derive(Clone, Debug)]
pub struct Test {
    ctx: Arc<Context>,
}

impl Test {
    /// The test of one trial; the harness makes it.
    pub fn with_context(ctx: Arc<Context>) -> Self {
        Self { ctx }
    }

    /// A test without a harness, for an ordinary `#[test]` of any crate: scratch files, tools and
    /// VMs as in a case. The format is `IMGFMT`'s, or raw.
    ///
    /// # Errors
    /// [`Error::Setup`] for a bad environment, or one that names several formats or protocols; [`Error::Io`] when
    /// there is no place for scratch files.
    pub fn new() -> Result<Self> {
        Ok(Self::with_context(Arc::new(Context::standalone(None)?)))
    }

    /// As [`Test::new`], with this format under test, whatever `IMGFMT` is.
    ///
    /// ```no_run
    /// # fn main() -> iotests::error::TestResult {
    /// let t = iotests::test::Test::with_format("qcow2")?;
    /// let disk = t.file("disk");
    /// t.qemu_img_create(["-f", t.imgfmt(), &disk, "1M"])?;
    /// t.write_pattern(&disk, 0xa5, "0", "64k")?;
    /// t.check_clean(&disk)
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Test::new`]; [`Error::Setup`] for a format that does not exist.
    pub fn with_format(imgfmt: &str) -> Result<Self> {
        Ok(Self::with_context(Arc::new(Context::standalone(Some(imgfmt))?)))
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

    /// Logs a heading, `== text ==`, as scripts have them: it parts what follows from what came before.
    pub fn log_heading(&self, text: &str) {
        self.log(format!("== {text} =="));
    }

    /// Logs a command in the form that the log of a script has: each of its lines after `> `. It is
    /// logged as it is, through no filter, so write it without the paths of scratch files.
    pub fn log_command(&self, command: &str) {
        for line in command.lines() {
            self.log(format!("> {line}").trim_end());
        }
    }

    /// Logs a message, text or QMP value, through filters (`iotests.py: log`).
    pub fn log_with(&self, msg: impl Into<Msg>, filters: &[Filter]) {
        self.log_indented(msg, filters, None);
    }

    /// As [`log_with`](Self::log_with), a QMP value pretty-printed with `indent` blanks a level.
    pub fn log_indented(&self, msg: impl Into<Msg>, filters: &[Filter], indent: Option<usize>) {
        let mut msg = msg.into();
        apply_all(filters, &mut msg);
        self.ctx.log().line(&msg.render(indent));
    }

    /// The filter that hides where this trial's scratch files and sockets are
    /// (`iotests.py: filter_testfiles`, `filter_qmp_testfiles`).
    pub fn filter_testfiles(&self) -> Filter {
        Filter::testfiles(self.ctx.paths())
    }

    /// The filter that hides the image format (`iotests.py: filter_imgfmt`, `filter_qmp_imgfmt`).
    pub fn filter_imgfmt(&self) -> Filter {
        Filter::imgfmt(self.imgfmt())
    }

    /// Options for new images of the tested format: `IMGOPTS` and what upstream's `check` adds
    /// (fast key derivation for luks, zeroed grains for vmdk).
    pub fn imgopts(&self) -> Option<String> {
        self.ctx.env().imgopts_for(self.imgfmt())
    }

    /// The secret object for LUKS images (`iotests.py: luks_default_secret_object`).
    pub fn luks_secret_object(&self) -> String {
        self.ctx.env().luks_secret_object()
    }

    /// Ends the trial as not run, for this reason: `t.skip("no loop devices")?`
    /// (`iotests.py: notrun`, `case_skip`).
    ///
    /// # Errors
    /// Always [`Error::Skip`].
    pub fn skip(&self, reason: impl Into<String>) -> Result<()> {
        Err(Error::Skip(reason.into()))
    }

    /// Lets lines with this text pass that programs print beside their work, such as warnings; `reason` is for those
    /// who read the case. If no program prints such a line, the trial fails: where that depends on the version or the
    /// format, call this under a condition. A suite declares it by
    /// [`Declare::ignores_stderr`](crate::suite::Declare::ignores_stderr).
    pub fn ignore_stderr(&self, text: &str, reason: &str) {
        assert!(!text.trim().is_empty() && !reason.trim().is_empty(), "expected a text, and the reason");
        self.ctx.ignore_stderr(text);
    }

    /// Notes that a part of the case is not run, and why; the case goes on
    /// (`iotests.py: case_notrun`).
    pub fn case_not_run(&self, reason: impl Into<String>) {
        self.ctx.note_not_run(reason.into());
    }
}
