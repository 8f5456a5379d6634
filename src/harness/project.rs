//! The project whose cases are run: where it is and what it holds.

use std::path::{Path, PathBuf};

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
    target: &'static str,
    work: PathBuf,
    cases: &'static [Case],
}

impl Project {
    /// A project rooted at `root` (where its `Cargo.toml` is), whose cases are built into the test
    /// target named `target`; `tmp` is cargo's directory for the files of tests. At run time cargo
    /// may name another root, after a move for example.
    pub fn new(
        root: &'static str,
        target: &'static str,
        tmp: Option<&'static str>,
        cases: &'static [Case],
    ) -> Self {
        let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(root), PathBuf::from);
        let built =
            tmp.and_then(|tmp| Path::new(tmp).parent()).map_or_else(|| root.join("target"), PathBuf::from);
        Self { root, target, work: built.join("iotests"), cases }
    }

    /// The directory of its `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its references are.
    pub fn references(&self) -> PathBuf {
        self.root.join("reference")
    }

    /// The test target that the cases are built into.
    pub fn target(&self) -> &str {
        self.target
    }

    /// Where the harness keeps its files: `target/iotests`.
    pub fn work_dir(&self) -> &Path {
        &self.work
    }

    /// Its compiled cases.
    pub fn cases(&self) -> &'static [Case] {
        self.cases
    }

    /// `path` as a reader of the project would write it: relative to the root if it is below it.
    pub fn show(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
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
                CASES,
            ))
        }
    };
}
