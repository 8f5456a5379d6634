//! The project whose cases are run: where it is and what it holds.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
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

/// A project with its own case files and `reference/`; [`main!`](crate::main) makes it.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    built_at: &'static Path,
    target: String,
    work: PathBuf,
    case_dir: &'static str,
    mark: PathBuf,
    cases: &'static [Case],
    suite: Option<PathBuf>,
}

impl Project {
    /// A project rooted at `root` (where its `Cargo.toml` is), whose cases are built into the test
    /// target whose crate is named `crate_name`; `tmp` is cargo's directory for the files of tests, `mark` the file by
    /// which the build is marked as out of date. At run time cargo may name another root, after a
    /// move for example.
    pub fn new(
        root: &'static str,
        crate_name: &'static str,
        tmp: Option<&'static str>,
        mark: &'static str,
        cases: &'static [Case],
    ) -> Self {
        let built_at = Path::new(root);
        let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| built_at.to_owned(), PathBuf::from);
        let built =
            tmp.and_then(|tmp| Path::new(tmp).parent()).map_or_else(|| root.join("target"), PathBuf::from);
        Self {
            target: target_name(&root, crate_name),
            root,
            built_at,
            work: built.join("iotests"),
            case_dir: "cases",
            mark: mark.into(),
            cases,
            suite: None,
        }
    }

    /// A target whose trials do not come from case files.
    pub fn without_cases(root: &'static str, crate_name: &'static str, tmp: Option<&'static str>) -> Self {
        Self::new(root, crate_name, tmp, "", &[])
    }

    /// Has its case files in this directory below the root, rather than in `cases`.
    #[must_use]
    pub fn with_case_dir(mut self, dir: &'static str) -> Self {
        self.case_dir = dir;
        self
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
        self.root.join(self.case_dir)
    }

    /// Where its references are.
    pub fn references(&self) -> PathBuf {
        self.root.join("reference")
    }

    /// The test target that the cases are built into.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What tells it from others that keep their files in the same place.
    pub(super) fn id(&self) -> String {
        let suite = self.suite.as_ref().map(|suite| format!(":{}", suite.display())).unwrap_or_default();
        format!("{}:{}{suite}", self.root.display(), self.target)
    }

    /// A name for its suite, if it has one, that those of other places do not have.
    pub(crate) fn suite_mark(&self) -> Option<String> {
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
        iotests_build::files(&dir, &["rs", script::EXTENSION]).map_err(Error::Setup)
    }

    /// Those of its case files that are not built in, and so are new; cargo is told to build them in the
    /// next time.
    ///
    /// # Errors
    /// [`Error::Io`] when cargo cannot be told.
    pub(super) fn new_cases(&self, files: &[String]) -> Result<Vec<String>> {
        let compiled = files.iter().filter(|file| iotests_build::is_case(file));
        let mut files: Vec<_> = compiled.map(|file| format!("{}/{file}", self.case_dir)).collect();
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

/// The name of the test target that is the crate `crate_name`. A crate's name has no hyphens, and cargo is to be
/// told the target's, which is in the manifest.
fn target_name(root: &Path, crate_name: &str) -> String {
    let declared = || {
        let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).ok()?.parse().ok()?;
        let mut names =
            manifest.get("test")?.as_array()?.iter().filter_map(|test| test.get("name")?.as_str());
        names.find(|name| name.replace('-', "_") == crate_name).map(str::to_owned)
    };
    let differs = if crate_name.contains('_') { declared() } else { None };
    differs.unwrap_or_else(|| crate_name.to_owned())
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
/// The project's `build.rs` calls [`iotests_build::cases`].
#[macro_export]
macro_rules! main {
    () => {
        include!(concat!(
            env!("OUT_DIR", "build.rs is missing: its main calls iotests_build::cases(\"cases\")"),
            "/iotests_cases.rs"
        ));

        // Compiled where libtest has its own main: this one would run nothing, and pass.
        #[test]
        fn harness_is_false() {
            panic!("the [[test]] of this target in Cargo.toml lacks the line: harness = false");
        }

        fn main() -> ::std::process::ExitCode {
            $crate::harness::main(
                $crate::harness::Project::new(
                    env!("CARGO_MANIFEST_DIR"),
                    env!("CARGO_CRATE_NAME"),
                    option_env!("CARGO_TARGET_TMPDIR"),
                    concat!(env!("OUT_DIR"), "/iotests_new_cases"),
                    CASES,
                )
                .with_case_dir(CASE_DIR),
            )
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_as_its_manifest_names_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let name = |crate_name: &str| target_name(dir.path(), crate_name);
        assert_eq!(name("block_tests"), "block_tests", "there is no manifest");
        let manifest = "[package]\nname = \"a-b\"\n\n[[test]] # ours\nname = 'block-tests'\nharness = false\n\n\
                        [[test]]\nname=\"c_d\" # so\n\n[[bench]]\nname = \"e-f\"\n";
        fs::write(dir.path().join("Cargo.toml"), manifest).expect("write");
        let names = ["block_tests", "c_d", "a_b", "e_f", "iotests"].map(name);
        assert_eq!(names, ["block-tests", "c_d", "a_b", "e_f", "iotests"]);
    }
}
