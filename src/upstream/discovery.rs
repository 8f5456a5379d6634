//! Finds the tests of a suite as its own finder does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::source::Source;
use super::tree::Tree;
use crate::env::{GroupFilter, similar_word};
use crate::error::{Error, Result};

/// Tests of this group run only when it is asked for.
const DISABLED: &str = "disabled";

/// File with more groups, which the user of a checkout keeps.
const GROUP_FILE: &str = "group.local";

/// A test of the suite.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// As it is selected and listed: `030`, `tests/reopen-file`.
    pub(super) name: String,
    /// Its file.
    pub(super) path: PathBuf,
    /// What is known from its text. Its groups include those of `group.local`.
    pub(super) source: Source,
}

impl Test {
    fn load(tree: &Tree, name: String) -> Result<Self> {
        let path = tree.root().join(&name);
        let text = fs::read(&path).map_err(Error::io(format!("read the test {}", path.display())))?;
        Ok(Self { name, path, source: Source::read(&text) })
    }

    /// The last part of its name, which files about it are called after.
    pub(super) fn base_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// Everything that runs under this choice of groups, in the suite's order.
///
/// # Errors
/// When the suite cannot be read, or a group is chosen that no test is in.
pub(super) fn find(tree: &Tree, groups: &GroupFilter) -> Result<Vec<Test>> {
    let mut tests =
        names(tree)?.into_iter().map(|name| Test::load(tree, name)).collect::<Result<Vec<_>>>()?;
    add_local_groups(tree, &mut tests)?;
    let known: BTreeSet<_> = tests.iter().flat_map(|test| &test.source.groups).map(String::as_str).collect();
    // What is left out may be a group of another version's suite.
    if let Some(unknown) = groups.include.iter().find(|group| !known.contains(group.as_str())) {
        let hint = similar_word(unknown, &known).map(|hint| format!("; {hint}")).unwrap_or_default();
        let known: Vec<_> = known.into_iter().collect();
        return Err(Error::Variable {
            name: "IOTESTS_GROUPS".to_owned(),
            value: unknown.clone(),
            expected: format!("a group of {}: {}{hint}", tree.root().display(), known.join(", ")),
        });
    }
    let asked = groups.include.iter().any(|group| group == DISABLED);
    tests.retain(|test| {
        let own = &test.source.groups;
        groups.selects(own) && (asked || !own.iter().any(|group| group == DISABLED))
    });
    Ok(tests)
}

/// The test of this name, without a look at any other: `None` if there is none. Named like this,
/// it runs whatever its groups.
pub(super) fn find_one(tree: &Tree, name: &str) -> Result<Option<Test>> {
    is_test(tree, name).then(|| Test::load(tree, name.to_owned())).transpose()
}

/// Whether there is a test of this name.
pub(super) fn is_test(tree: &Tree, name: &str) -> bool {
    match name.strip_prefix("tests/") {
        Some(base) => is_named_test(tree, base),
        None => is_number(name) && tree.root().join(name).is_file(),
    }
}

fn names(tree: &Tree) -> Result<Vec<String>> {
    let mut names: Vec<_> = list(tree.root())?.into_iter().filter(|name| is_number(name)).collect();
    let inner = tree.root().join("tests");
    if inner.is_dir() {
        let named = list(&inner)?.into_iter().filter(|base| is_named_test(tree, base));
        names.extend(named.map(|base| format!("tests/{base}")));
    }
    names.sort_unstable();
    Ok(names)
}

fn list(dir: &std::path::Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(Error::io(format!("list {}", dir.display())))?;
    // Names that are not UTF-8 name no test.
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn is_number(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// A file in `tests/` is a test if there is a reference beside it.
fn is_named_test(tree: &Tree, base: &str) -> bool {
    let dir = tree.root().join("tests");
    let hidden = base.starts_with('.') || base.contains('/');
    !hidden
        && !base.ends_with(".out")
        && dir.join(base).is_file()
        && dir.join(format!("{base}.out")).is_file()
}

fn add_local_groups(tree: &Tree, tests: &mut [Test]) -> Result<()> {
    let path = tree.root().join(GROUP_FILE);
    if !path.is_file() {
        return Ok(());
    }
    let text = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let full = full_name(name);
        let Some(test) = tests.iter_mut().find(|test| test.name == full) else {
            return Err(Error::CaseFile {
                path,
                line: number + 1,
                column: 1,
                message: format!(
                    "{name:?} is not a test of this suite: expected a number or the name of a file in tests/"
                ),
            });
        };
        test.source.groups.extend(words.map(str::to_owned));
    }
    Ok(())
}

/// A test's name as it is listed, for one as it is written in `group.local`: numbers may lack their
/// zeros, and names their directory.
fn full_name(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{name:0>3}")
    } else {
        format!("tests/{name}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::point::Point;
    use super::super::reference;
    use super::*;

    fn sample() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let files = [
            ("testenv.py", ""),
            ("001", "#!/bin/sh\n# group: rw quick\n"),
            ("002", "#!/bin/sh\n# group: slow disabled\n"),
            ("0003", ""),
            ("04x", ""),
            ("001.out", ""),
            ("tests/named", "# group: rw\n"),
            ("tests/named.out", ""),
            ("tests/named.out.qcow2", ""),
            ("tests/helper", ""),
            ("tests/001", ""),
            ("tests/001.out", ""),
            ("group.local", "# mine\n\n1 fresh\nnamed fresh slow\n"),
        ];
        std::fs::create_dir(dir.path().join("tests")).expect("directory");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("file");
        }
        let tree = Tree::open(dir.path()).expect("a tree");
        (dir, tree)
    }

    fn found(tree: &Tree, include: &[&str], exclude: &[&str]) -> Vec<String> {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let groups = GroupFilter { include: own(include), exclude: own(exclude) };
        find(tree, &groups).expect("tests").into_iter().map(|test| test.name).collect()
    }

    #[test]
    fn tests_are_numbers_and_names_with_a_reference() {
        let (_dir, tree) = sample();
        assert_eq!(found(&tree, &[], &[]), ["001", "tests/001", "tests/named"]);
    }

    #[test]
    fn a_number_and_a_name_alike_share_nothing() {
        let (_dir, tree) = sample();
        let tests = find(&tree, &GroupFilter::default()).expect("tests");
        let points = tests.into_iter().map(|test| Point {
            test: Arc::new(test),
            format: "raw".to_owned(),
            protocol: "file".to_owned(),
        });
        let points: Vec<_> = points.filter(|point| point.test.base_name() == "001").collect();
        let [number, name] = &points[..] else { panic!("{points:?}") };
        assert_ne!(number.name(), name.name());
        assert_ne!(number.name().kept_path(), name.name().kept_path());
        let reference = |point: &Point| reference::find(&point.test.path, false, "raw", || Ok(String::new()));
        let references = [number, name].map(|point| reference(point).expect("a look").expect("a reference"));
        assert_ne!(references[0], references[1]);
    }

    #[test]
    fn groups_choose_and_disabled_tests_must_be_asked_for() {
        let (_dir, tree) = sample();
        assert_eq!(found(&tree, &["quick"], &[]), ["001"]);
        assert_eq!(found(&tree, &["fresh"], &["slow"]), ["001"]);
        assert_eq!(found(&tree, &["slow"], &[]), ["tests/named"]);
        assert_eq!(found(&tree, &["disabled"], &[]), ["002"]);
        assert_eq!(found(&tree, &[], &["slow", "disabled", "of-another-version"]), ["001", "tests/001"]);
        let filter = GroupFilter { include: vec!["quik".to_owned()], exclude: Vec::new() };
        let error = find(&tree, &filter).expect_err("no such group").to_string();
        for part in ["\"quik\"", "quick, rw", "did you mean \"quick\"?"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn one_test_is_found_without_its_neighbours() {
        let (_dir, tree) = sample();
        assert!(find_one(&tree, "002").expect("a look").is_some());
        assert!(find_one(&tree, "tests/named").expect("a look").is_some());
        for none in ["004", "0003", "tests/helper", "tests/named.out", "named", "tests/../001", "testenv.py"]
        {
            assert!(find_one(&tree, none).expect("a look").is_none(), "{none}");
        }
    }

    #[test]
    fn a_local_group_of_no_test_is_an_error() {
        let (dir, tree) = sample();
        fs::write(dir.path().join(GROUP_FILE), "\nmisspelt fresh\n").expect("file");
        let error = find(&tree, &GroupFilter::default()).expect_err("no such test").to_string();
        assert!(error.contains("group.local:2:1") && error.contains("misspelt"), "{error}");
    }
}
