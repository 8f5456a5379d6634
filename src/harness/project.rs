//! The project whose cases are run: where it is and what it holds.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::register;
use crate::script;
use crate::suite::Suite;

/// One case file as the build script registered it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its path below the case directory, without the extension: `commit/offline`.
    pub path: &'static str,
    /// The file, relative to the project's root.
    pub file: &'static str,
    /// Its `suite` function.
    pub suite: fn(&mut Suite),
}

/// A project with its own `cases/` and `reference/`; [`main!`](crate::main) makes it.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    built_at: &'static Path,
    target: &'static str,
    work: PathBuf,
    mark: PathBuf,
    cases: &'static [Case],
    suite: Option<PathBuf>,
}

impl Project {
    /// A project rooted at `root` (where its `Cargo.toml` is), whose cases are built into the test
    /// target named `target`; `tmp` is cargo's directory for the files of tests, `mark` the file by
    /// which the build is marked as out of date. At run time cargo may name another root, after a
    /// move for example.
    pub fn new(
        root: &'static str,
        target: &'static str,
        tmp: Option<&'static str>,
        mark: &'static str,
        cases: &'static [Case],
    ) -> Self {
        let built_at = Path::new(root);
        let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| built_at.to_owned(), PathBuf::from);
        let built =
            tmp.and_then(|tmp| Path::new(tmp).parent()).map_or_else(|| root.join("target"), PathBuf::from);
        Self { root, built_at, target, work: built.join("iotests"), mark: mark.into(), cases, suite: None }
    }

    /// A target whose trials do not come from case files.
    pub fn without_cases(root: &'static str, target: &'static str, tmp: Option<&'static str>) -> Self {
        Self::new(root, target, tmp, "", &[])
    }

    /// Takes its trials from here; those of another place are others, whatever their names.
    pub(crate) fn with_suite(mut self, suite: &Path) -> Self {
        self.suite = Some(suite.to_owned());
        self
    }

    /// The directory of its `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its case files are.
    pub fn case_dir(&self) -> PathBuf {
        self.root.join("cases")
    }

    /// Where its references are.
    pub fn references(&self) -> PathBuf {
        self.root.join("reference")
    }

    /// The test target that the cases are built into.
    pub fn target(&self) -> &str {
        self.target
    }

    /// What tells it from others that keep their files in the same place.
    pub(super) fn id(&self) -> String {
        let suite = self.suite.as_ref().map(|suite| format!(":{}", suite.display())).unwrap_or_default();
        format!("{}:{}{suite}", self.root.display(), self.target)
    }

    /// A name for its suite, if it has one, that those of other places do not have.
    pub(super) fn suite_mark(&self) -> Option<String> {
        let suite = self.suite.as_ref()?;
        let mut hasher = DefaultHasher::new();
        suite.hash(&mut hasher);
        Some(format!("suite-{:08x}", hasher.finish() >> 32))
    }

    /// Where the harness keeps its files: `target/iotests`.
    pub fn work_dir(&self) -> &Path {
        &self.work
    }

    /// Its compiled cases.
    pub fn cases(&self) -> &'static [Case] {
        self.cases
    }

    /// Its case files of every kind, relative to the case directory.
    ///
    /// # Errors
    /// [`Error::Setup`] when they cannot be listed.
    pub(super) fn case_files(&self) -> Result<Vec<String>> {
        let dir = self.case_dir();
        if !dir.exists() {
            return Ok(Vec::new());
        }
        register::files(&dir, &["rs", script::EXTENSION]).map_err(Error::Setup)
    }

    /// Those of its case files that are not built in, and so are new; cargo is told to build them in the
    /// next time.
    ///
    /// # Errors
    /// [`Error::Io`] when cargo cannot be told.
    pub(super) fn new_cases(&self, files: &[String]) -> Result<Vec<String>> {
        let compiled = files.iter().filter(|file| register::is_case(file));
        let mut files: Vec<_> = compiled.map(|file| format!("cases/{file}")).collect();
        files.retain(|file| !self.cases.iter().any(|case| case.file == file));
        if !files.is_empty() {
            let touched = File::open(&self.mark).and_then(|mark| mark.set_modified(SystemTime::now()));
            touched.map_err(Error::io(format!("touch {}", self.mark.display())))?;
        }
        Ok(files)
    }

    /// `path` as a reader of the project would write it: relative to the root if it is below it,
    /// or was when the cases were built.
    pub fn show(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        let shown = path.strip_prefix(&self.root).or_else(|_| path.strip_prefix(self.built_at));
        shown.unwrap_or(path).display().to_string()
    }
}

/// Writes the `main` of a test target that runs the project's cases:
/// a `cases/main.rs` with the one line `iotests::main!();`, and in `Cargo.toml`
///
/// ```toml
/// [[test]]
/// name = "iotests"
/// path = "cases/main.rs"
/// harness = false
/// ```
///
/// The project's `build.rs` calls [`register::cases`](crate::register::cases).
#[macro_export]
macro_rules! main {
    () => {
        include!(concat!(env!("OUT_DIR"), "/iotests_cases.rs"));

        fn main() -> ::std::process::ExitCode {
            $crate::harness::main($crate::harness::Project::new(
                env!("CARGO_MANIFEST_DIR"),
                env!("CARGO_CRATE_NAME"),
                option_env!("CARGO_TARGET_TMPDIR"),
                concat!(env!("OUT_DIR"), "/iotests_new_cases"),
                CASES,
            ))
        }
    };
}
