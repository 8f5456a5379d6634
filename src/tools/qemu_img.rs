//! qemu-img, run to its end.

use serde_json::Value;

use super::args::create_args;
use super::evidence::Asked;
use super::run::{RunningTool, words};
use crate::env::ToolKind;
use crate::error::{Error, Failure, Result, TestResult, Unchecked};
use crate::filter::Filter;
use crate::process::{Capture, Output, Status};
use crate::test::Test;

/// What `img_info_log` takes besides the file (`iotests.py: img_info_log`).
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
    /// [`Error::Tool`] for a bad exit status, unless asked not to by [`Unchecked::unchecked`] or
    /// [`Unchecked::must_fail`]; [`Error::Crash`] for death by a signal; [`Error::NoEvidence`] for a success that
    /// shows nothing of the work, or a failure without a message.
    pub fn qemu_img<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = words(args);
        let full = self.qemu_img_args(&args)?;
        let mut output = self.run_tool(ToolKind::QemuImg, &args, &full, Capture::Merged)?;
        if args.first().is_some_and(|command| command == "create") {
            output.stdout.clear();
            output.raw = None;
        }
        Ok(output)
    }

    /// Starts qemu-img to run beside the case (`iotests.py: qemu_tool_popen`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started; [`Error::Misuse`] for arguments of a `create`
    /// that cannot be read.
    pub fn qemu_img_start<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<RunningTool> {
        let args = words(args);
        self.start_tool(ToolKind::QemuImg, &args, &self.qemu_img_args(&args)?)
    }

    /// `qemu-img create` (`iotests.py: qemu_img_create`).
    ///
    /// # Errors
    /// As [`Test::qemu_img`].
    pub fn qemu_img_create<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.qemu_img(with_first("create", words(args)))
    }

    /// Runs qemu-img and logs what it prints, scratch files and sizes on the host's disk hidden
    /// (`iotests.py: qemu_img_log`, which takes any exit status). The output comes back as it was. A refusal is
    /// logged by `t.qemu_img_log(…).must_fail()?`.
    ///
    /// # Errors
    /// As [`Test::qemu_img`]; the output is logged whatever the exit status.
    pub fn qemu_img_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let result = self.qemu_img(args);
        self.log_output(&result, &[Filter::host_sizes(), self.filter_testfiles()]);
        result
    }

    /// Logs `qemu-img info` of an image of the tested format, with all that varies hidden
    /// (`iotests.py: img_info_log`).
    ///
    /// # Errors
    /// As [`Test::img_info_log_with`].
    pub fn img_info_log(&self, file: &str) -> Result<Output> {
        self.img_info_log_with(file, &InfoLog::default())
    }

    /// [`Test::img_info_log`] with its options. What newer versions add about child nodes is
    /// dropped, so that one reference serves all.
    ///
    /// # Errors
    /// As [`Test::qemu_img`]; the output is logged whatever the exit status.
    pub fn img_info_log_with(&self, file: &str, options: &InfoLog<'_>) -> Result<Output> {
        let (result, filters) = self.img_info(file, options);
        self.log_output(&result, &filters);
        result
    }

    /// What `qemu-img info` says of an image of the tested format, and the filters that hide all that varies in it.
    pub(crate) fn img_info(&self, file: &str, options: &InfoLog<'_>) -> (Result<Output>, [Filter; 2]) {
        let mut args = vec!["info"];
        if options.image_opts {
            args.push("--image-opts");
        } else {
            args.extend(["-f", self.imgfmt()]);
        }
        args.extend(options.extra_args);
        args.push(file);
        let output = self.assume_tested_format(file).and_then(|()| self.qemu_img(args));
        let hidden = options.filter_path.filter(|path| !path.is_empty()).unwrap_or(file);
        let info = Filter::img_info(hidden, self.imgfmt(), self.context().paths());
        (output, [Filter::drop_child_info(), info])
    }

    /// Logs what a tool printed that ran to its end, with any exit status.
    pub(super) fn log_output(&self, result: &Result<Output>, filters: &[Filter]) {
        if let Ok(output) = result {
            self.log_with(output.stdout.as_str(), filters);
        } else if let Err(Error::Tool(output)) = result {
            self.log_with(output.stdout.as_str(), filters);
        }
    }

    /// Runs a qemu-img command that prints JSON on stdout; `--output=json` is for the caller to
    /// give (upstream's later `qemu_img_json`).
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, but for those by which `check` says that it has found what its JSON
    /// says as well; [`Error::Crash`] for death by a signal; [`Error::NoEvidence`] for something else than JSON, or
    /// JSON without the numbers that the subcommand is for.
    pub fn qemu_img_json<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        let args = words(args);
        let full = self.qemu_img_args(&args)?;
        let output = self.run_tool(ToolKind::QemuImg, &args, &full, Capture::Apart).unchecked()?;
        match serde_json::from_str(&output.stdout) {
            Ok(value) if output.success() || is_finding(&args, output.status, &value) => {
                Asked::new(ToolKind::QemuImg, &args).prove_value(&output, &value)?;
                Ok(value)
            }
            Ok(_) => Err(Error::Tool(Box::new(output))),
            Err(_) if !output.success() => Err(Error::Tool(Box::new(output))),
            Err(error) => {
                let expected = format!("JSON ({error}), which --output=json asks for");
                Err(Error::no_evidence(ToolKind::QemuImg.name(), &output.command, expected, &output.text()))
            }
        }
    }

    /// `qemu-img measure` as JSON (`iotests.py: qemu_img_measure`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn qemu_img_measure<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        self.qemu_img_json(["measure", "--output=json"].map(str::to_owned).into_iter().chain(words(args)))
    }

    /// Demands that an image of the tested format is sound: `qemu-img check`, which repairs nothing here, finds no
    /// errors, corruptions or leaks.
    ///
    /// # Errors
    /// As [`Test::check_clean_as`].
    #[track_caller]
    pub fn check_clean(&self, file: &str) -> TestResult {
        self.assume_tested_format(file)?;
        self.check_clean_as(file, self.imgfmt())
    }

    /// As [`Test::check_clean`], for an image of this format.
    ///
    /// # Errors
    /// A failed assertion with all that was found; those of [`Test::qemu_img_json`], as for a format that cannot be
    /// checked.
    #[track_caller]
    pub fn check_clean_as(&self, file: &str, format: &str) -> TestResult {
        let found = self.qemu_img_check(["-f", format, file])?;
        // Those that are 0 are left out, but for the errors.
        let is_wrong = |key: &&str| found.get(*key).is_some_and(|count| count != 0);
        match ["check-errors", "corruptions", "leaks"].iter().any(is_wrong) {
            false => Ok(()),
            true => Err(Failure::new(Error::Assertion(format!("{file} is not sound: {found:#}")))),
        }
    }

    /// `qemu-img check` as JSON, whatever it finds (`iotests.py: qemu_img_check`). To demand that it finds nothing,
    /// use [`Test::check_clean`]: `check-errors` alone counts neither corruptions nor leaks.
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
        [first, second].into_iter().try_for_each(|file| self.assume_tested_format(file))?;
        self.compare_images_as(first, self.imgfmt(), second, self.imgfmt())
    }

    /// Whether two images have the same content, each in its own format.
    ///
    /// # Errors
    /// [`Error::Tool`] when they could not be compared: only exit status 1, and a message about a mismatch, mean that
    /// they differ.
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
            Some(1) if output.stdout.contains("mismatch") => Ok(false),
            _ => Err(Error::Tool(Box::new(output))),
        }
    }

    /// Virtual size, in bytes, of an image of the tested format (`iotests.py: image_size`).
    ///
    /// # Errors
    /// As [`Test::qemu_img_json`].
    pub fn image_size(&self, file: &str) -> Result<u64> {
        self.assume_tested_format(file)?;
        let info = self.qemu_img_info(["-f", self.imgfmt(), file])?;
        info["virtual-size"]
            .as_u64()
            .ok_or_else(|| Error::assertion(format!("qemu-img info {file} names no virtual-size: {info}")))
    }

    fn qemu_img_args(&self, args: &[String]) -> Result<Vec<String>> {
        let env = self.context().env();
        let imgopts = self.imgopts();
        let args = create_args(args, self.imgfmt(), imgopts.as_deref(), &self.luks_secret_object())
            .map_err(|error| Error::misuse(error.to_string()))?;
        Ok([env.tool(ToolKind::QemuImg)?.options.clone(), args].concat())
    }
}

/// Whether a bad exit status is that of a `check` that has found what its JSON counts.
fn is_finding(args: &[String], status: Status, value: &Value) -> bool {
    let counted = match status {
        Status::Exited(1) => "check-errors",
        Status::Exited(2) => "corruptions",
        Status::Exited(3) => "leaks",
        _ => return false,
    };
    args.first().is_some_and(|command| command == "check")
        && value[counted].as_u64().is_some_and(|count| count > 0)
}

fn with_first(first: &str, mut args: Vec<String>) -> Vec<String> {
    args.insert(0, first.to_owned());
    args
}
