//! The project in `tests/downstream`, built once, and run in a directory of each test's own.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};
use regex::Regex;
use tempfile::TempDir;

use crate::target::{Ran, copy, executable};

/// Variables that choose the QEMU under test: these alone reach the project from outside.
const PASSED_ON: [&str; 9] = [
    "PATH",
    "QEMU_PROG",
    "QEMU_IMG_PROG",
    "QEMU_IO_PROG",
    "QEMU_NBD_PROG",
    "QSD_PROG",
    "QEMU_OPTIONS",
    "QEMU_MODULE_DIR",
    "LD_LIBRARY_PATH",
];

/// The sources of the project.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/downstream")
}

/// Builds the test target of a project that uses this crate, with this crate's versions of everything
/// and without the network.
pub(crate) fn build_offline(dir: &Path) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("downstream");
    std::fs::create_dir_all(&target).unwrap();
    // Each test may be a process of its own.
    let lock = File::create(target.join("build.lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    if versions.exists() {
        std::fs::copy(versions, dir.join("Cargo.lock")).unwrap();
    }
    cargo_offline(dir)
        .args(["test", "--no-run", "--offline", "--test", "iotests", "--message-format=json"])
        .output()
        .unwrap()
}

/// Cargo in the directory of such a project.
pub(crate) fn cargo_offline(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    // The first is that of this crate's own build script, which a project without one would take for its own.
    command.current_dir(dir).env_remove("OUT_DIR").env_remove("CARGO_MANIFEST_DIR");
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("downstream"));
    command
}

/// The project's test target.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| executable(build_offline(&sources())))
}

/// The project, with references and scratch files of its own.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("iot-").tempdir_in("/tmp").unwrap();
        copy(&sources().join("reference"), &dir.path().join("reference"));
        std::fs::create_dir(dir.path().join("cases")).unwrap();
        Self { dir }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Where its trials have their files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root().join("scratch")
    }

    /// Where the files of a trial are kept, `failed/…` or `kept/…`.
    pub(crate) fn kept(&self, why: &str, trial: &str) -> PathBuf {
        let marks = std::fs::read_dir(self.scratch().join(why)).into_iter().flatten();
        let mut places = marks.map(|mark| mark.unwrap().path().join(trial));
        places.find(|place| place.exists()).unwrap_or_else(|| self.scratch().join("not kept"))
    }

    pub(crate) fn reference(&self, name: &str) -> PathBuf {
        self.root().join("reference").join(name)
    }

    /// Its test target with these arguments, in an environment that says nothing else.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("CARGO_MANIFEST_DIR", self.root());
        command.env("TEST_DIR", self.scratch()).env("TMPDIR", self.root());
        command
    }

    /// Runs it on one thread.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// Runs it on one thread, with these variables.
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let args = args.iter().chain(&["--test-threads=1"]);
        self.finish(self.command(args).envs(variables.iter().copied()))
    }

    /// Runs a command to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Ran {
        let ran = Ran::of(command);
        Ran { stdout: self.constant(&ran.stdout), stderr: self.constant(&ran.stderr), ..ran }
    }

    /// What was printed, without what differs from run to run and from QEMU to QEMU.
    fn constant(&self, text: &str) -> String {
        let mut text = text.replace(self.root().to_str().unwrap(), "ROOT");
        for (pattern, replacement) in [
            (r"finished in [0-9.]+s", "finished in TIME"),
            (r"(Ran \d+ tests?) in [0-9.]+s", "$1 in TIME"),
            // How long a wait took; the limit of a trial is shown as it was declared.
            (r"timed out after \d+\.\d s waiting", "timed out after TIME waiting"),
            (r"\b\d+-(talk\.log)", "PID-$1"),
            (r"(?m)^command: .*$", "command: COMMAND"),
            (r"(QEMU(_[A-Z]+)?|QSD)_PROG=\S+ ", ""),
            // The directory for this project's kept files.
            (r"\biotests-[0-9a-f]{8}\b", "iotests-MARK"),
            (r"QEMU_(OPTIONS='[^']*'|MODULE_DIR=\S+) ", ""),
            (r"\S+/qemu-img\b", "QEMU_IMG"),
            (r"(?m)^    qemu-img:", "    QEMU_IMG:"),
            // What was said on the monitor.
            (r"(?m)^ +(<-|->) .*\n", ""),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
        }
        text
    }
}

impl Ran {
    /// Compares everything with `expected/<name>.txt`. `UPDATE_EXPECTED=1` writes it.
    #[track_caller]
    pub(crate) fn matches(&self, name: &str) {
        let mut text = String::new();
        let _ = write!(text, "{}", self.status);
        for (title, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let _ = write!(text, "\n==== {title} ====\n{stream}");
        }
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/expected").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if text != expected {
            let diff = similar::TextDiff::from_lines(&expected, &text);
            let diff = diff.unified_diff().header(path.to_str().unwrap(), "printed").to_string();
            panic!("{diff}\nUPDATE_EXPECTED=1 writes what was printed; read it before you commit it");
        }
    }
}
