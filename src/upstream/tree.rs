//! A QEMU tree's `tests/qemu-iotests`, and what of its `check` differs from version to version.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::env::Version;
use crate::error::{Error, Result};

/// The file that every suite since QEMU 6.0 has, and that holds what differs.
const SETTINGS: &str = "testenv.py";

/// An unmodified suite.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
    version: Option<Version>,
    machines: Vec<(String, String)>,
    not_generic: Vec<String>,
}

impl Tree {
    /// Opens the suite at `path`, which may also be the root of a QEMU source tree.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let inner = path.join("tests/qemu-iotests");
        let path = if inner.join(SETTINGS).is_file() { inner } else { path.to_owned() };
        let settings = path.join(SETTINGS);
        let text = std::fs::read_to_string(&settings).map_err(|error| {
            Error::Setup(format!(
                "IOTESTS_SUITE does not name QEMU's suite: failed to read {}: {error}\n\
                 what to do: set it to the directory tests/qemu-iotests of QEMU 6.0 or later",
                settings.display()
            ))
        })?;
        let root = path.canonicalize().map_err(Error::io(format!("resolve {}", path.display())))?;
        if root.to_str().is_none() {
            return Err(Error::Variable {
                name: "IOTESTS_SUITE".to_owned(),
                value: root.display().to_string(),
                expected: "a path that is UTF-8, for its tests print it".to_owned(),
            });
        }
        let version = root
            .ancestors()
            .nth(2)
            .and_then(|source| std::fs::read_to_string(source.join("VERSION")).ok()?.trim().parse().ok());
        Ok(Self { root, version, machines: machines(&text), not_generic: not_generic(&text) })
    }

    /// Where the tests and their helpers are.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// QEMU's version, if the tree has it.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Where the Python packages are that the tests import.
    pub(super) fn python_dir(&self) -> PathBuf {
        self.root.ancestors().nth(2).unwrap_or(&self.root).join("python")
    }

    /// The machine that emulators of this name must be asked for.
    pub(super) fn machine_for(&self, emulator: &str) -> Option<&str> {
        let (_, machine) = self
            .machines
            .iter()
            .find(|(target, _)| emulator.strip_suffix(target.as_str()).is_some_and(ends_as_emulator))?;
        Some(machine)
    }

    /// Whether tests for `generic` formats run on this one.
    pub(super) fn is_generic(&self, format: &str) -> bool {
        !self.not_generic.iter().any(|other| other == format)
    }
}

fn ends_as_emulator(stem: &str) -> bool {
    stem.ends_with("qemu-system-")
}

/// The pairs of target and machine.
fn machines(settings: &str) -> Vec<(String, String)> {
    let Ok(pair) = Regex::new(r"\(\s*'([a-z0-9_]+)'\s*,\s*'([A-Za-z0-9_.-]+)'\s*\)") else {
        return Vec::new();
    };
    pair.captures_iter(settings).map(|pair| (pair[1].to_owned(), pair[2].to_owned())).collect()
}

/// The formats that are not generic.
fn not_generic(settings: &str) -> Vec<String> {
    let Ok(list) = Regex::new(r"\bimgfmt\s+not\s+in\s+[\[(]([^\])]*)[\])]") else { return Vec::new() };
    let list = list.captures(settings).map(|list| list[1].to_owned()).unwrap_or_default();
    list.split(',')
        .map(|word| word.trim().trim_matches(['\'', '"']).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
        machine_map = (\n    ('arm', 'virt'),\n    ('rx', 'gdbsim-r5f562n8'),\n)\n\
        is_generic = self.imgfmt not in ['bochs', 'dmg']\n";

    #[test]
    fn what_differs_is_read_from_the_tree() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let suite = dir.path().join("tests/qemu-iotests");
        std::fs::create_dir_all(&suite).expect("directories");
        std::fs::write(suite.join(SETTINGS), SAMPLE).expect("settings");
        std::fs::write(dir.path().join("VERSION"), "9.1.0\n").expect("version");
        for path in [dir.path(), suite.as_path()] {
            let tree = Tree::open(path).expect("a tree");
            assert_eq!(tree.version(), Some(Version::new(9, 1, 0)));
            assert_eq!(tree.machine_for("/usr/bin/qemu-system-arm"), Some("virt"));
            assert_eq!(tree.machine_for("qemu-system-rx"), Some("gdbsim-r5f562n8"));
            assert_eq!(tree.machine_for("/usr/bin/qemu-system-x86_64"), None);
            assert_eq!(tree.machine_for("/usr/bin/myarm"), None);
            assert!(tree.is_generic("raw") && !tree.is_generic("dmg"));
            assert_eq!(tree.python_dir(), dir.path().canonicalize().expect("path").join("python"));
        }
    }

    #[test]
    fn another_directory_is_refused_with_advice() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let error = Tree::open(dir.path()).expect_err("no suite").to_string();
        assert!(error.contains("testenv.py") && error.contains("what to do"), "{error}");
    }
}
