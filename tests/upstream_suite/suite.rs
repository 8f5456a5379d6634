//! The suite in `tests/upstream-tree`, copied for each test that changes it, and the target that
//! runs it, built once.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::target::{Ran, copy, executable};

/// Variables that choose the programs under test: these alone come from outside.
const PASSED_ON: [&str; 10] = [
    "PATH",
    "PYTHON",
    "QEMU_PROG",
    "QEMU_IMG_PROG",
    "QEMU_IO_PROG",
    "QEMU_NBD_PROG",
    "QSD_PROG",
    "QEMU_MODULE_DIR",
    "LD_LIBRARY_PATH",
    "HOME",
];

/// The built target.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let arguments = ["test", "--no-run", "--offline", "--test", "upstream", "--message-format=json"];
        let mut cargo = Command::new(env!("CARGO"));
        let built = cargo.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        executable(built)
    })
}

/// A copy of the suite, and scratch directories of its own.
pub(crate) struct Suite {
    dir: TempDir,
}

impl Suite {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("iot-").tempdir_in("/tmp").unwrap();
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upstream-tree");
        copy(&tree, &dir.path().join("tree"));
        Self { dir }
    }

    /// The suite's directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("tree/tests/qemu-iotests")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Puts another shell test, which does this, in a test's place.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        fs::write(self.file(name), format!("#!/usr/bin/env bash\n. ./common.rc\n{text}\n")).unwrap();
    }

    /// Where its trials have their files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.path().join("scratch")
    }

    /// Where the files of a failed trial are kept.
    pub(crate) fn kept(&self, trial: &str) -> PathBuf {
        let suites = fs::read_dir(self.scratch().join("failed")).into_iter().flatten();
        let mut places = suites.map(|suite| suite.unwrap().path().join(trial));
        places.find(|place| place.exists()).unwrap_or_default()
    }

    /// The directories of runs that are there.
    pub(crate) fn run_dirs(&self) -> Vec<PathBuf> {
        let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        let all = list(&self.scratch()).chain(list(self.dir.path()));
        all.filter(|path| path.file_name().unwrap().to_str().unwrap().contains("iotests-run-")).collect()
    }

    /// The target with these arguments, in an environment that says nothing else.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.command_of(binary(), args)
    }

    /// The same for another copy of the target.
    pub(crate) fn command_of<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("IOTESTS_SUITE", self.root());
        command.env("TEST_DIR", self.scratch()).env("TMPDIR", self.dir.path());
        command
    }

    /// Runs it on one thread.
    pub(crate) fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let args = args.iter().chain(&["--test-threads=1"]);
        Ran::of(self.command(args).envs(variables.iter().copied()))
    }
}

impl Ran {
    /// Demands that something is on stdout.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text:?} in:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands that something is on stderr.
    #[track_caller]
    pub(crate) fn notes(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }
}
