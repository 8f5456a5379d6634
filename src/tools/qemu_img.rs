//! qemu-img, run to its end.

use serde_json::Value;

use super::args::create_args;
use super::run::{RunningTool, words};
use crate::env::ToolKind;
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::process::{Capture, Output};
use crate::test::Test;

/// What `img_info_log` can be told besides the file (`iotests.py: img_info_log`).
#[derive(Clone, Debug, Default)]
pub struct InfoLog<'a> {
    /// Name to hide instead of the file's own.
    pub filter_path: Option<&'a str>,
    /// The file is a list of image options; no format is given then.
    pub image_opts: bool,
    /// More arguments, before the file.
    pub extra_args: &'a [&'a str],
}

impl Test {
    /// Runs qemu-img (`iotests.py: qemu_img`, `qemu_img_pipe_and_status`, `qemu_img_pipe`).
    ///
    /// The arguments of a `create` are rewritten as [`create_args`] says, and what a successful
    /// one prints is dropped. stdout and stderr come as one text, in [`Output::stdout`].
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, unless asked not to by
    /// [`Unchecked::unchecked`]; [`Error::Crash`] for death by a signal.
    pub fn qemu_img<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = words(args);
        let mut output = self.run_tool(ToolKind::QemuImg, &self.qemu_img_args(&args)?, Capture::Merged)?;
        if args.first().is_some_and(|command| command == "create") {
            output.stdout.clear();
            output.raw = None;
        }
        Ok(output)
    }

    /// Starts qemu-img to run beside the case (`iotests.py: qemu_tool_popen`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started; [`Error::Assertion`] for arguments of a `create`
    /// that cannot be read.
    pub fn qemu_img_start<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<RunningTool> {
        self.start_tool(ToolKind::QemuImg, &self.qemu_img_args(&words(args))?)
    }

    /// `qemu-img create` (`iotests.py: qemu_img_create`).
    ///
    /// # Errors
    /// As [`Test::qemu_img`].
    pub fn qemu_img_create<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.qemu_img(with_first("create", words(args)))
    }

    /// Runs qemu-img and logs what it prints, whatever its exit status, with scratch files hidden
    /// (`iotests.py: qemu_img_log`). The output comes back as it was.
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal.
    pub fn qemu_img_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let output = self.qemu_img(args).unchecked()?;
        self.log_with(output.stdout.as_str(), &[self.filter_testfiles()]);
        Ok(output)
    }

    /// Logs `qemu-img info` of an image of the tested format, with all that varies hidden
    /// (`iotests.py: img_info_log`).
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal.
    pub fn img_info_log(&self, file: &str) -> Result<()> {
        self.img_info_log_with(file, &InfoLog::default())
    }

    /// [`Test::img_info_log`] with its options. What newer versions add about child nodes is
    /// dropped, so that one reference serves all.
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal.
    pub fn img_info_log_with(&self, file: &str, options: &InfoLog<'_>) -> Result<()> {
        let (output, filters) = self.img_info(file, options)?;
        self.log_with(output.stdout.as_str(), &filters);
        Ok(())
    }

    /// What `qemu-img info` says of an image of the tested format, whatever its exit status, and the
    /// filters that hide all that varies in it.
    pub(crate) fn img_info(&self, file: &str, options: &InfoLog<'_>) -> Result<(Output, [Filter; 2])> {
        let mut args = vec!["info"];
        if options.image_opts {
            args.push("--image-opts");
        } else {
            args.extend(["-f", self.imgfmt()]);
        }
        args.extend(options.extra_args);
        args.push(file);
        let output = self.qemu_img(args).unchecked()?;
        let hidden = options.filter_path.filter(|path| !path.is_empty()).unwrap_or(file);
        let info = Filter::img_info(hidden, self.imgfmt(), self.context().paths());
        Ok((output, [Filter::drop_child_info(), info]))
    }

    /// Runs a qemu-img command that prints JSON on stdout; `--output=json` is for the caller to
    /// give (upstream's later `qemu_img_json`).
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status without JSON (`check` ends with 2 or 3 and still says
    /// what it found), [`Error::Crash`] for death by a signal.
    pub fn qemu_img_json<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        let args = self.qemu_img_args(&words(args))?;
        let output = self.run_tool(ToolKind::QemuImg, &args, Capture::Apart).unchecked()?;
        match serde_json::from_str(&output.stdout) {
            Ok(value) => Ok(value),
            Err(_) if !output.success() => Err(Error::Tool(Box::new(output))),
            Err(error) => Err(Error::assertion(format!(
                "{} was to print JSON ({error}), but printed: {}",
                output.command,
                output.text()
            ))),
        }
    }

    /// `qemu-img measure` as JSON (`iotests.py: qemu_img_measure`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn qemu_img_measure<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        self.qemu_img_json(["measure", "--output=json"].map(str::to_owned).into_iter().chain(words(args)))
    }

    /// `qemu-img check` as JSON, also when it finds something (`iotests.py: qemu_img_check`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn qemu_img_check<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        self.qemu_img_json(["check", "--output=json"].map(str::to_owned).into_iter().chain(words(args)))
    }

    /// `qemu-img info` as JSON (upstream's later `qemu_img_info`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn qemu_img_info<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        self.qemu_img_json(["info", "--output=json"].map(str::to_owned).into_iter().chain(words(args)))
    }

    /// `qemu-img map` as JSON (upstream's later `qemu_img_map`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn qemu_img_map<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        self.qemu_img_json(["map", "--output=json"].map(str::to_owned).into_iter().chain(words(args)))
    }

    /// Whether two images of the tested format have the same content
    /// (`iotests.py: compare_images`).
    ///
    /// # Errors
    /// As [`Test::compare_images_as`].
    pub fn compare_images(&self, first: &str, second: &str) -> Result<bool> {
        self.compare_images_as(first, self.imgfmt(), second, self.imgfmt())
    }

    /// Whether two images have the same content, each in its own format.
    ///
    /// # Errors
    /// [`Error::Tool`] when they could not be compared: only exit status 1 means that they differ.
    pub fn compare_images_as(
        &self,
        first: &str,
        first_format: &str,
        second: &str,
        second_format: &str,
    ) -> Result<bool> {
        let output =
            self.qemu_img(["compare", "-f", first_format, "-F", second_format, first, second]).unchecked()?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(Error::Tool(Box::new(output))),
        }
    }

    /// Virtual size, in bytes, of an image of the tested format (`iotests.py: image_size`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`]; [`Error::Assertion`] when there is no size in the answer.
    pub fn image_size(&self, file: &str) -> Result<u64> {
        let info = self.qemu_img_info(["-f", self.imgfmt(), file])?;
        info["virtual-size"]
            .as_u64()
            .ok_or_else(|| Error::assertion(format!("qemu-img info {file} names no virtual-size: {info}")))
    }

    fn qemu_img_args(&self, args: &[String]) -> Result<Vec<String>> {
        let env = self.context().env();
        let imgopts = self.imgopts();
        let args = create_args(args, self.imgfmt(), imgopts.as_deref(), &self.luks_secret_object())
            .map_err(|error| Error::assertion(format!("qemu-img create: {error}")))?;
        Ok([env.tool(ToolKind::QemuImg)?.options.clone(), args].concat())
    }
}

fn with_first(first: &str, mut args: Vec<String>) -> Vec<String> {
    args.insert(0, first.to_owned());
    args
}
