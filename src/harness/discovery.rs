//! Finds the suites of a project, whatever they are written in.

use std::collections::{BTreeMap, BTreeSet};

use super::Project;
use super::matrix::test_path;
use crate::error::{Error, Result};
use crate::suite::Suite;

/// A suite and where it comes from.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Path below the case directory, without the extension.
    pub(super) path: String,
    /// The case file, relative to the project's root.
    pub(super) file: String,
    /// What it declares.
    pub(super) suite: Suite,
}

/// A kind of case files.
pub(super) trait Source {
    /// Every suite there is.
    fn all(&self) -> Result<Vec<Loaded>>;

    /// The suite of this path alone, without a look at any other.
    fn one(&self, path: &str) -> Result<Option<Loaded>>;
}

/// Everything a project's cases can be written in.
pub(super) fn sources(project: &Project) -> Vec<Box<dyn Source>> {
    vec![Box::new(Compiled(project.cases()))]
}

/// Case files that are built into the test target.
struct Compiled(&'static [super::Case]);

impl Source for Compiled {
    fn all(&self) -> Result<Vec<Loaded>> {
        Ok(self.0.iter().map(load).collect())
    }

    fn one(&self, path: &str) -> Result<Option<Loaded>> {
        Ok(self.0.iter().find(|case| case.path == path).map(load))
    }
}

fn load(case: &super::Case) -> Loaded {
    let mut suite = Suite::new();
    (case.suite)(&mut suite);
    Loaded { path: case.path.to_owned(), file: case.file.to_owned(), suite }
}

/// All suites of a project, in the order of their paths.
pub(super) fn all(sources: &[Box<dyn Source>]) -> Result<Vec<Loaded>> {
    let mut suites = Vec::new();
    for source in sources {
        suites.extend(source.all()?);
    }
    suites.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(suites)
}

/// The suites that may hold the trials of these names. A name does not tell where the case's path
/// ends and the test's name begins, so each possible path is asked for.
pub(super) fn holding(sources: &[Box<dyn Source>], trials: &[&str]) -> Result<Vec<Loaded>> {
    let mut paths = BTreeSet::new();
    for trial in trials {
        let topic = trial.split("::").next().unwrap_or_default();
        let ends = topic.match_indices('/').map(|(at, _)| at).chain([topic.len()]);
        paths.extend(ends.map(|end| &topic[..end]));
    }
    let mut suites = Vec::new();
    for path in paths {
        for source in sources {
            suites.extend(source.one(path)?);
        }
    }
    Ok(suites)
}

/// Tests of different files that would be listed under one name.
pub(super) fn clashes(suites: &[Loaded]) -> Vec<Error> {
    let mut files: BTreeMap<String, &str> = BTreeMap::new();
    let mut clashes = Vec::new();
    for loaded in suites {
        for test in loaded.suite.tests() {
            let path = test_path(&loaded.path, test.name());
            match files.get(&path) {
                Some(other) if *other != loaded.file => {
                    clashes.push(Error::Setup(format!(
                        "{}: {other} has a test {path} too: rename one",
                        loaded.file
                    )));
                }
                _ => _ = files.insert(path, &loaded.file),
            }
        }
    }
    clashes
}
