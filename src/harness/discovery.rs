//! Finds the suites of a project, whatever they are written in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::Project;
use super::matrix::test_path;
use crate::error::Error;
use crate::script;
use crate::suite::Suite;

/// What loading suites comes to: all mistakes are told at once.
type Result<T> = std::result::Result<T, Vec<Error>>;

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
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn all(&self) -> Result<Vec<Loaded>>;

    /// The suite of this path alone, without a look at any other.
    fn one(&self, path: &str) -> Result<Option<Loaded>>;
}

/// Everything a project's cases can be written in.
pub(super) fn sources(project: &Project) -> Vec<Box<dyn Source + '_>> {
    vec![Box::new(Compiled(project.cases())), Box::new(Scripts(project))]
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

/// Script cases, read when they are asked for.
struct Scripts<'p>(&'p Project);

impl Source for Scripts<'_> {
    fn all(&self) -> Result<Vec<Loaded>> {
        let found = script::discover(&self.0.case_dir()).map_err(|error| vec![error])?;
        gather(found.into_iter().map(|found| self.load(found.path, &found.file).map(|loaded| vec![loaded])))
    }

    fn one(&self, path: &str) -> Result<Option<Loaded>> {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let file = self.0.case_dir().join(format!("{path}.{}", script::EXTENSION));
        if plain && file.is_file() { self.load(path.to_owned(), &file).map(Some) } else { Ok(None) }
    }
}

impl Scripts<'_> {
    fn load(&self, path: String, file: &Path) -> Result<Loaded> {
        let shown = self.0.show(file);
        let text =
            std::fs::read_to_string(file).map_err(|error| vec![Error::io(format!("read {shown}"))(error)])?;
        let suite = script::suite_from_file(Path::new(&shown), &text)?;
        Ok(Loaded { path, file: shown, suite })
    }
}

/// All that was loaded, or all mistakes.
fn gather(parts: impl Iterator<Item = Result<Vec<Loaded>>>) -> Result<Vec<Loaded>> {
    let (mut loaded, mut mistakes) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Ok(part) => loaded.extend(part),
            Err(part) => mistakes.extend(part),
        }
    }
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes) }
}

/// All suites of a project, in the order of their paths.
pub(super) fn all(sources: &[Box<dyn Source + '_>]) -> Result<Vec<Loaded>> {
    let mut suites = gather(sources.iter().map(|source| source.all()))?;
    suites.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(suites)
}

/// The suites that may hold the trials of these names. A name does not tell where the case's path
/// ends and the test's name begins, so each possible path is asked for.
pub(super) fn holding(sources: &[Box<dyn Source + '_>], trials: &[&str]) -> Result<Vec<Loaded>> {
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

/// Files whose names would not do as parts of trial names, or be taken for something else in those of
/// references.
pub(super) fn bad_names(suites: &[Loaded]) -> Vec<Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    let bad = suites.iter().filter(|loaded| !loaded.path.chars().all(fits));
    bad.map(|loaded| {
        Error::Setup(format!(
            "{}: expected letters, digits, _ and - only in the names of case files",
            loaded.file
        ))
    })
    .collect()
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
