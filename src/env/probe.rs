//! What the binaries can do, found out by asking them.
//!
//! Every question is asked at most once a process, and only when somebody wants the answer: a trial
//! that needs qemu-img alone never starts an emulator. Answers are kept on disk ([`super::cache`]).

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answers::{Formats, ImageTool, Known, Probes, Support};
use super::ask::{ask_version, printed, run, unusable, words_after};
use super::cache::Key;
use super::interview::{ANY_ACCELERATOR, NO_MACHINE, Question, interview};
use super::{Emulator, MonitorOption, Schema, TestEnv, Tool, ToolKind, Version};
use crate::error::{Error, Result};
use crate::process::{Capture, Cmd, Deadline, Registry, remove_at_end};

/// How long a binary gets to say something about itself.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// How long qemu-img gets to make an image. Key derivation takes seconds of processor time.
const CREATE_LIMIT: Duration = Duration::from_secs(120);

/// What qemu-img says when it was built without LUKS, or without what that needs: any of these.
const LUKS_REFUSALS: [&str; 4] =
    ["Unknown file format", "is not whitelisted", "Unsupported cipher", "Algorithm '"];

/// What the binaries can do. Each method asks when it is called first; its error is an
/// [`Error::Setup`] that says which binary failed to answer, how, and what to do.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'e> {
    env: &'e TestEnv,
    probes: &'e Probes,
}

/// One way of asking.
struct Probe<'a> {
    kind: ToolKind,
    topic: &'a str,
    arguments: Vec<String>,
    limit: Duration,
}

impl<'e> Capabilities<'e> {
    pub(super) fn new(env: &'e TestEnv, probes: &'e Probes) -> Self {
        Self { env, probes }
    }

    /// The version of a binary.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn version(self, kind: ToolKind) -> Result<Version> {
        let cell = match kind {
            ToolKind::Qemu => return Ok(self.emulator()?.version),
            ToolKind::QemuImg => return Ok(self.image_tool()?.version),
            ToolKind::QemuIo => &self.probes.qemu_io,
            ToolKind::QemuNbd => &self.probes.qemu_nbd,
            ToolKind::QemuStorageDaemon => &self.probes.storage_daemon,
        };
        self.know(cell, Probe::new(kind, kind.name()), |_| true, ask_version).copied()
    }

    /// What the system emulator is and has.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn emulator(self) -> Result<&'e Emulator> {
        self.know(
            &self.probes.emulator,
            Probe::new(ToolKind::Qemu, "qemu"),
            |_| true,
            |tool, deadline| {
                let monitor = MonitorOption::of(tool, deadline)?;
                let questions = Emulator::questions();
                let answers = interview(&tool.program, &ANY_ACCELERATOR, monitor, &questions, deadline)?;
                Emulator::from_answers(answers, monitor)
                    .ok_or_else(|| "it does not describe itself as QEMU does".to_owned())
            },
        )
    }

    /// The formats that the emulator's block layer may use (`iotests.py: supported_formats`).
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn formats(self) -> Result<&'e Formats> {
        self.know(
            &self.probes.formats,
            Probe::new(ToolKind::Qemu, "qemu-formats"),
            |_| true,
            |tool, deadline| {
                let arguments = [&NO_MACHINE[..], &ANY_ACCELERATOR, &["-drive", "format=help"]].concat();
                let output = run(tool, &arguments, deadline)?;
                let list = |title| {
                    words_after(&output.text(), title)
                        .ok_or_else(|| format!("`{}` listed no formats{}", output.command, printed(&output)))
                };
                Ok(Formats {
                    read_write: list("Supported formats:")?,
                    read_only: list("Supported formats (read-only):")?,
                })
            },
        )
    }

    /// The emulator's QAPI schema.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn schema(self) -> Result<&'e Schema> {
        let monitor = self.emulator()?.monitor;
        self.know(
            &self.probes.schema,
            Probe::new(ToolKind::Qemu, "qemu-schema"),
            |_| true,
            |tool, deadline| {
                let question = Question("query-qmp-schema", json!({}));
                let answers = interview(&tool.program, &ANY_ACCELERATOR, monitor, &[question], deadline)?;
                let schema = answers.first().and_then(Schema::from_answer);
                schema.ok_or_else(|| "its QAPI schema does not have the usual form".to_owned())
            },
        )
    }

    /// Whether the schema has something at this path ([`Schema::has`]). Each answer is kept by
    /// itself, for reading the whole schema takes longer than anything else here.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn has_feature(self, path: &str) -> Result<bool> {
        if let Some(Ok(schema)) = self.probes.schema.get() {
            return Ok(schema.has(path));
        }
        let mut probe = Probe::new(ToolKind::Qemu, "qemu-feature");
        probe.arguments.push(path.to_owned());
        self.remember(self.env.tool(probe.kind)?, &probe, |_| true, |_| Ok(self.schema()?.has(path)))
    }

    /// The formats and protocols that qemu-img knows.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn image_formats(self) -> Result<&'e [String]> {
        Ok(&self.image_tool()?.formats)
    }

    /// Whether there is the quorum driver (`iotests.py: supports_quorum`).
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn quorum(self) -> Result<bool> {
        Ok(self.image_formats()?.iter().any(|format| format == "quorum"))
    }

    /// Whether LUKS images can really be created (`iotests.py: has_working_luks`), with no other options
    /// than these: `iotests.py` adds `IMGOPTS` where luks is the tested format, and so skips every test for
    /// options that LUKS does not know, which here fail. A refusal that does not name the image is reported
    /// without the blanks around it.
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn luks(self) -> Result<&'e Support> {
        let secret = self.env.luks_secret_object();
        let mut probe = Probe::new(ToolKind::QemuImg, "qemu-img-luks");
        // A crypto library may ask for a passphrase of some length.
        probe.arguments.push(format!("passphrase of {} bytes", self.env.imgkeysecret().len()));
        let options = ["-f", "luks", "--object", &secret, "-o", "key-secret=keysec0", "-o", "iter-time=10"];
        // Some versions before 10.0 fail now and then where the host is too fast for its clock.
        let attempts = 20;
        let is_for_good = |reason: &str| LUKS_REFUSALS.iter().any(|refusal| reason.contains(refusal));
        self.know_created(&self.probes.luks, probe, is_for_good, |tool, deadline| {
            let mut support = Support::Works;
            for _ in 0..attempts {
                support = self.try_create(tool, &options, "1G", deadline)?;
                if support.missing().is_none_or(is_for_good) {
                    break;
                }
            }
            Ok(support)
        })
    }

    /// Whether qcow2 images can be compressed with zstd
    /// (`iotests.py: supports_qcow2_zstd_compression`, of later versions).
    ///
    /// # Errors
    /// [`Error::Setup`] when the binary is missing or does not answer.
    pub fn zstd(self) -> Result<&'e Support> {
        let probe = Probe::new(ToolKind::QemuImg, "qemu-img-zstd");
        self.know_created(
            &self.probes.zstd,
            probe,
            |_| true,
            |tool, deadline| {
                match self.try_create(tool, &["-f", "qcow2", "-o", "compression_type=zstd"], "0", deadline)? {
                    // Anything but a refusal of the option is trouble of another kind.
                    Support::Missing(reason) if !reason.contains("zstd") => {
                        Err(format!("it could not create a small qcow2 image: {reason}"))
                    }
                    support => Ok(support),
                }
            },
        )
    }

    fn image_tool(self) -> Result<&'e ImageTool> {
        self.know(
            &self.probes.image_tool,
            Probe::new(ToolKind::QemuImg, "qemu-img"),
            |_| true,
            |tool, deadline| {
                let output = run(tool, &["--help"], deadline)?;
                let version = Version::find_in(&output.stdout);
                let titles = ["Supported formats:", "Supported image formats:"];
                let formats = titles.iter().find_map(|title| words_after(&output.stdout, title));
                match (version, formats) {
                    (Some(version), Some(formats)) => Ok(ImageTool { version, formats }),
                    _ => Err(format!(
                        "`{}` named no version or no formats{}",
                        output.command,
                        printed(&output)
                    )),
                }
            },
        )
    }

    /// As [`know`](Self::know), for answers that come from making an image: a refusal is kept on disk
    /// if its reason shows that it is for good, for its cause may be the disk rather than the binary.
    fn know_created(
        self,
        cell: &'e Known<Support>,
        mut probe: Probe<'_>,
        is_for_good: impl Fn(&str) -> bool,
        ask: impl FnOnce(&Tool, Deadline) -> std::result::Result<Support, String>,
    ) -> Result<&'e Support> {
        probe.arguments.extend_from_slice(&self.env.tool(probe.kind)?.options);
        probe.limit = CREATE_LIMIT;
        self.know(cell, probe, |support: &Support| support.missing().is_none_or(is_for_good), ask)
    }

    /// What is in `cell`, or else on disk, or else what asking brings.
    fn know<T: Serialize + DeserializeOwned>(
        self,
        cell: &'e Known<T>,
        probe: Probe<'_>,
        worth_keeping: impl FnOnce(&T) -> bool,
        ask: impl FnOnce(&Tool, Deadline) -> std::result::Result<T, String>,
    ) -> Result<&'e T> {
        let find_out = || {
            let tool = self.env.tool(probe.kind).map_err(|error| error.to_string())?;
            let answer = self.remember(tool, &probe, worth_keeping, |deadline| ask(tool, deadline));
            answer.map_err(|problem| unusable(probe.kind, tool, &problem))
        };
        cell.get_or_init(find_out).as_ref().map_err(|text| Error::Setup(text.clone()))
    }

    /// What is on disk, or else what asking brings.
    fn remember<T: Serialize + DeserializeOwned, E>(
        self,
        tool: &Tool,
        probe: &Probe<'_>,
        worth_keeping: impl FnOnce(&T) -> bool,
        ask: impl FnOnce(Deadline) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let limit = self.env.timeout_scale().scale_plain(probe.limit);
        let key = Key {
            topic: probe.topic,
            program: &tool.program,
            arguments: &probe.arguments,
            module_dirs: &self.env.module_dirs(tool),
        };
        self.probes.cache.answer(&key, limit, worth_keeping, || ask(Deadline::after(limit)))
    }

    /// Creates an image in a directory of its own and removes it. A refusal is the text after the
    /// file's name, or all of the output.
    fn try_create(
        self,
        tool: &Tool,
        options: &[&str],
        size: &str,
        deadline: Deadline,
    ) -> std::result::Result<Support, String> {
        let dir = tempfile::Builder::new().prefix("iotests-probe-").tempdir_in(self.env.tmp_dir()).map_err(
            |error| {
                format!(
                    "it was given no scratch directory in TMPDIR, {}: {error}",
                    self.env.tmp_dir().display()
                )
            },
        )?;
        // This process may be ended before it removes it.
        remove_at_end(dir.path());
        let file = dir.path().join("image").display().to_string();
        let command =
            Cmd::new(&tool.program).args(&tool.options).arg("create").args(options).args([&file, size]);
        let output =
            command.run(Capture::Merged, deadline, &Registry::new()).map_err(|error| error.to_string())?;
        if output.status.signal().is_some() {
            return Err(format!("`{}` died of {}{}", output.command, output.status, printed(&output)));
        }
        if output.success() {
            return Ok(Support::Works);
        }
        let marker = format!("{file}:");
        let reason = output.stdout.lines().find_map(|line| Some(line.split_once(&marker)?.1));
        Ok(Support::Missing(reason.unwrap_or(&output.stdout).trim().to_owned()))
    }
}

impl<'a> Probe<'a> {
    fn new(kind: ToolKind, topic: &'a str) -> Self {
        Self { kind, topic, arguments: Vec::new(), limit: LIMIT }
    }
}

impl TestEnv {
    /// What the binaries can do.
    pub fn caps(&self) -> Capabilities<'_> {
        Capabilities::new(self, self.probes())
    }
}
