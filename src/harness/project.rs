//! The project whose cases are run: where it is and what it holds.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::place::{Build, Place};
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
    build: Build,
    target: String,
    work: PathBuf,
    case_dir: &'static str,
    mark: PathBuf,
    cases: &'static [Case],
    suite: Option<PathBuf>,
}

impl Project {
    /// The project that was built like this, wherever it is now, with the cases that are built in. `mark` is the file by
    /// which the build is marked as out of date.
    pub fn new(build: Build, mark: &'static str, cases: &'static [Case]) -> Self {
        let Place { root, target_dir } = Place::find(&build);
        Self {
            target: target_name(&root, build.crate_name),
            root,
            build,
            work: target_dir.join("iotests"),
            case_dir: "cases",
            mark: mark.into(),
            cases,
            suite: None,
        }
    }

    /// A target whose trials do not come from case files.
    pub fn without_cases(build: Build) -> Self {
        Self::new(build, "", &[])
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

    /// What distinguishes it from others that keep their files in the same place.
    pub(super) fn id(&self) -> String {
        let suite = self.suite.as_ref().map(|suite| format!(":{}", suite.display())).unwrap_or_default();
        format!("{}:{}{suite}", self.root.display(), self.target)
    }

    /// The directory for its files where others may have theirs.
    pub(crate) fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.id().hash(&mut hasher);
        format!("{}-{:08x}", self.target, hasher.finish() >> 32)
    }

    /// Whether its trials come from a suite of QEMU's.
    pub(super) fn has_suite(&self) -> bool {
        self.suite.is_some()
    }

    /// Where the harness keeps its files: `target/iotests`.
    pub fn work_dir(&self) -> &Path {
        &self.work
    }

    /// Its compiled cases.
    pub fn cases(&self) -> &'static [Case] {
        self.cases
    }

    /// Makes sure that the case files are where they are looked for: a program that was moved away from its project
    /// would run what is built in, and nothing else.
    ///
    /// # Errors
    /// [`Error::Setup`] when their directory is missing.
    pub(super) fn check_case_dir(&self) -> Result<()> {
        let dir = self.case_dir();
        if dir.is_dir() {
            return Ok(());
        }
        Err(Error::Setup(format!(
            "there is no directory {}, where the case files of the package {} should be; this program was built in {}\n\
             what to do: run it by cargo in the package's directory, or set CARGO_MANIFEST_DIR to that directory",
            dir.display(),
            self.build.package,
            self.build.root
        )))
    }

    /// Its case files of every kind, relative to the case directory.
    ///
    /// # Errors
    /// [`Error::Setup`] when they cannot be listed.
    pub(super) fn case_files(&self) -> Result<Vec<String>> {
        iotests_build::files(&self.case_dir(), &["rs", script::EXTENSION]).map_err(Error::Setup)
    }

    /// A mistake for each of the case files that is not built in, because it is new; the build is marked as out of date.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be marked.
    pub(super) fn new_cases(&self, files: &[String]) -> Result<Vec<Error>> {
        let compiled = files.iter().filter(|file| iotests_build::is_case(file));
        let mut files: Vec<_> = compiled.map(|file| format!("{}/{file}", self.case_dir)).collect();
        files.retain(|file| !self.cases.iter().any(|case| case.file == file));
        let what_to_do = if files.is_empty() {
            String::new()
        } else if self.build.was_at(&self.root) {
            let touched = File::open(&self.mark).and_then(|mark| mark.set_modified(SystemTime::now()));
            touched.map_err(Error::io(format!("touch {}", self.mark.display())))?;
            "run this again, and it is built in".to_owned()
        } else {
            // The mark of that build is not the one that cargo looks at here.
            format!(
                "this program was built in {}, and cargo may take it for up to date here\nwhat to do: run `cargo clean -p \
                 {}` in {}, then run this again",
                self.build.root,
                self.build.package,
                self.root.display()
            )
        };
        Ok(files.iter().map(|file| Error::Setup(format!("{file} is new: {what_to_do}"))).collect())
    }

    /// `path` as a reader of the project would write it: relative to the root if it is below it,
    /// or was when the cases were built.
    pub fn show(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        let shown = path.strip_prefix(&self.root).or_else(|_| path.strip_prefix(self.build.root));
        shown.unwrap_or(path).display().to_string()
    }
}

/// The name of the test target that is the crate `crate_name`: cargo wants the target's name, which is in the manifest
/// and may have hyphens where the crate's has underscores.
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
