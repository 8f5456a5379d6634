//! Runs the bundled cases with a tool replaced by its stand-in, and reads what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use iotests::env::{TestEnv, ToolKind};
use tempfile::TempDir;

use crate::lie::{Lie, tool_named};
use crate::stand_in;
use crate::target::executable;

/// Variables that choose the QEMU under test: these alone reach the cases from outside. The programs are named.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "TMPDIR", "QEMU_OPTIONS", "QEMU_MODULE_DIR", "LD_LIBRARY_PATH"];
/// The one format whose trials are run.
const FORMAT: &str = "qcow2";
/// A trial that hangs because of a lie has noticed it; it need not hang for long.
const TIMEOUT_SCALE: &str = "0.25";
/// More than there are processors: a hang costs none.
const THREADS: &str = "4";

/// Which trials are run.
pub(crate) enum Cases {
    All,
    /// Those with one of these in their names.
    Of(Vec<&'static str>),
}

/// The cases' test target, and a directory with the stand-ins and all that is written.
pub(crate) struct Suite {
    binary: PathBuf,
    dir: TempDir,
    real: BTreeMap<&'static str, PathBuf>,
}

/// Which trials have an occasion for which lie.
pub(crate) struct Occasions(BTreeSet<(String, String, String)>);

/// What came of a lie.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) met: BTreeSet<String>,
    pub(crate) unnoticed: BTreeSet<String>,
    pub(crate) seconds: f64,
}

impl Suite {
    pub(crate) fn new() -> Self {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["test", "--no-run", "--test", "iotests", "--message-format=json"]);
        let dir = tempfile::Builder::new().prefix("liars-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let env = TestEnv::from_process().unwrap();
        let own = std::env::current_exe().unwrap();
        let mut real = BTreeMap::new();
        for tool in ToolKind::ALL {
            let program = env.tool(tool).unwrap().program.clone();
            let link = Self::link(dir.path(), tool, &program);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&own, &link).unwrap();
            symlink(&program, link.with_file_name(stand_in::REAL)).unwrap();
            real.insert(tool.name(), program);
        }
        Self { binary: executable(build.output().unwrap()), dir, real }
    }

    /// The stand-in for a tool, called as the real program is.
    fn link(dir: &Path, tool: ToolKind, real: &Path) -> PathBuf {
        dir.join("bin").join(tool.name()).join(real.file_name().unwrap())
    }

    /// The version of QEMU.
    pub(crate) fn version(&self) -> String {
        let printed = Command::new(&self.real[ToolKind::QemuImg.name()]).arg("--version").output().unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        printed.split_whitespace().nth(2).unwrap().to_owned()
    }

    /// Runs the cases with stand-ins that do not lie, for all tools. All must pass or be skipped.
    pub(crate) fn honest(&self, cases: &Cases) -> Occasions {
        let mut command = self.command();
        if let Cases::Of(parts) = cases {
            command.args(parts);
        }
        for tool in ToolKind::ALL {
            command.env(tool.variable(), Self::link(self.dir.path(), tool, &self.real[tool.name()]));
        }
        let started = Instant::now();
        let outcomes = self.run(&mut command);
        eprintln!("honest: {} trials, {:.0} s", outcomes.len(), started.elapsed().as_secs_f64());
        let failed: Vec<_> = outcomes.iter().filter(|(_, failed)| **failed).map(|(name, _)| name).collect();
        assert!(failed.is_empty(), "these trials fail though no stand-in lies: {failed:?}");
        Occasions(self.record())
    }

    /// Runs the trials that have the occasion, with one tool that lies.
    pub(crate) fn lying(&self, tool: ToolKind, lie: Lie, names: BTreeSet<String>) -> Told {
        if names.is_empty() {
            return Told::default();
        }
        let mut command = self.command();
        command.arg("--exact").args(&names);
        if lie == Lie::VersionOnly {
            for variable in options_of(tool) {
                command.env(variable, "-V");
            }
        } else {
            command.env(stand_in::LIE, lie.name());
            command.env(tool.variable(), Self::link(self.dir.path(), tool, &self.real[tool.name()]));
        }
        let started = Instant::now();
        let outcomes = self.run(&mut command);
        let seconds = started.elapsed().as_secs_f64();
        let met = if lie == Lie::VersionOnly {
            names
        } else {
            self.record().into_iter().map(|(_, _, trial)| trial).collect()
        };
        // A trial that was skipped has noticed nothing: it is as green.
        let unnoticed =
            met.iter().filter(|name| !outcomes.get(*name).unwrap_or_else(|| panic!("no report of {name}")));
        Told { unnoticed: unnoticed.cloned().collect(), met, seconds }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().stdin(Stdio::null());
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        for tool in ToolKind::ALL {
            command.env(tool.variable(), &self.real[tool.name()]);
        }
        command.env(stand_in::REAL_QEMU_IO, &self.real[ToolKind::QemuIo.name()]);
        command.env(stand_in::RECORD, self.path("record"));
        command.env("TEST_DIR", self.path("scratch")).env("IOTESTS_LOG", self.path("log"));
        command.env("IMGFMT", FORMAT).env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"));
        command.env("IOTESTS_TIMEOUT_SCALE", TIMEOUT_SCALE).args(["--test-threads", THREADS]);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whether each trial failed.
    fn run(&self, command: &mut Command) -> BTreeMap<String, bool> {
        File::create(self.path("record")).unwrap();
        let _ = std::fs::remove_file(self.path("log"));
        let ran = command.output().unwrap();
        let log = std::fs::read_to_string(self.path("log"));
        let log = log.unwrap_or_else(|error| {
            panic!(
                "no report ({error}) but:\n{}\n{}",
                String::from_utf8_lossy(&ran.stdout),
                String::from_utf8_lossy(&ran.stderr)
            )
        });
        let outcome = |line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            let failed = match &*text("outcome") {
                "failed" | "error" => true,
                "passed" | "skipped" | "known failure" => false,
                other => panic!("no such outcome: {other}"),
            };
            (text("name"), failed)
        };
        log.lines().map(outcome).collect()
    }

    fn record(&self) -> BTreeSet<(String, String, String)> {
        let record = std::fs::read_to_string(self.path("record")).unwrap();
        let line = |line: &str| {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            let mut next = || fields.next().unwrap();
            (next(), next(), next())
        };
        record.lines().map(line).collect()
    }
}

impl Occasions {
    /// The trials that would meet the lie of a tool.
    pub(crate) fn of(&self, tool: ToolKind, lie: Lie) -> BTreeSet<String> {
        let wanted =
            |(of, what, _): &&(String, String, String)| tool_named(of) == Some(tool) && what == lie.name();
        self.0.iter().filter(wanted).map(|(_, _, trial)| trial.clone()).collect()
    }
}

/// The variables that bring a tool its first options.
fn options_of(tool: ToolKind) -> &'static [&'static str] {
    match tool {
        ToolKind::QemuImg => &["QEMU_IMG_OPTIONS"],
        ToolKind::QemuIo => &["QEMU_IO_OPTIONS", "QEMU_IO_OPTIONS_NO_FMT"],
        ToolKind::QemuNbd => &["QEMU_NBD_OPTIONS"],
        _ => &[],
    }
}
