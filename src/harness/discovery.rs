//! Finds the suites of a project, whatever they are written in.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::iter;
use std::panic::resume_unwind;
use std::path::{Component, Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use super::Project;
use super::name::WrittenName;
use crate::error::Error;
use crate::script::{self, Found};
use crate::suite::Suite;

/// Suites, or every mistake that was found in them.
type Result<T> = std::result::Result<T, Vec<Error>>;

/// A suite and where it comes from.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Path below the case directory, without the extension.
    pub(super) path: String,
    /// The case file, relative to the project's root.
    pub(super) file: String,
    /// What it declares; boxed, for there may be thousands to be sorted.
    pub(super) suite: Box<Suite>,
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

/// Everything a project's cases can be written in; `files` are those of its case directory.
pub(super) fn sources(project: &Project, files: &[String]) -> Vec<Box<dyn Source>> {
    let found = files.iter().filter_map(|file| Found::of(file)).collect();
    let (dir, shown) = (project.case_dir(), project.show(project.case_dir()));
    vec![Box::new(Compiled(project.cases())), Box::new(Scripts { dir, shown, found })]
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
    Loaded { path: case.path.to_owned(), file: case.file.to_owned(), suite: Box::new(suite) }
}

/// Room for one script, more often than not.
const BUFFER: usize = 16 << 10;
/// Fewer scripts than this are read sooner than a thread is started.
const LEAST_SHARE: usize = 16;

/// Script cases, read when they are asked for.
struct Scripts {
    /// The case directory.
    dir: PathBuf,
    /// Its name for readers.
    shown: String,
    /// All of them.
    found: Vec<Found>,
}

impl Source for Scripts {
    fn all(&self) -> Result<Vec<Loaded>> {
        let found = &self.found;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = found.len().div_ceil(threads).max(LEAST_SHARE);
        let load = |part: &[Found]| {
            let mut text = String::with_capacity(BUFFER);
            gather(part.iter().map(|found| self.load(found, &mut text).map(Some)))
        };
        thread::scope(|scope| {
            let mut parts = found.chunks(share);
            let own = parts.next().unwrap_or_default();
            let others: Vec<_> = parts.map(|part| scope.spawn(move || load(part))).collect();
            let ended =
                |part: ScopedJoinHandle<'_, _>| part.join().unwrap_or_else(|panic| resume_unwind(panic));
            gather(iter::once(load(own)).chain(others.into_iter().map(ended)))
        })
    }

    fn one(&self, path: &str) -> Result<Option<Loaded>> {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let found = Found { path: path.to_owned(), file: format!("{path}.{}", script::EXTENSION) };
        let exists = plain && self.dir.join(&found.file).is_file();
        if exists { self.load(&found, &mut String::new()).map(Some) } else { Ok(None) }
    }
}

impl Scripts {
    /// Reads a script, into `text` whatever there was before.
    fn load(&self, found: &Found, text: &mut String) -> Result<Loaded> {
        let file = format!("{}/{}", self.shown, found.file);
        text.clear();
        // Of a file as such, the size would be asked for first.
        let read =
            File::open(self.dir.join(&found.file)).and_then(|it| it.take(u64::MAX).read_to_string(text));
        read.map_err(|error| vec![self.unreadable(&found.file, &file, error)])?;
        let suite = script::suite_from_file(Path::new(&file), text)?;
        Ok(Loaded { path: found.path.clone(), file, suite: Box::new(suite) })
    }

    /// Why a script cannot be read: of text that is not UTF-8, where it ceases to be.
    fn unreadable(&self, name: &str, shown: &str, error: io::Error) -> Error {
        let bytes = fs::read(self.dir.join(name)).unwrap_or_default();
        let Some(good) = bytes.utf8_chunks().next().filter(|chunk| !chunk.invalid().is_empty()) else {
            return Error::io(format!("read {shown}"))(error);
        };
        let lines: Vec<_> = good.valid().split('\n').collect();
        Error::CaseFile {
            path: shown.into(),
            line: lines.len(),
            column: lines.last().map_or(0, |line| line.chars().count()) + 1,
            message: "this is not UTF-8: save the file as UTF-8".to_owned(),
        }
    }
}

/// All that was loaded, or all mistakes.
fn gather<P: IntoIterator<Item = Loaded>>(parts: impl Iterator<Item = Result<P>>) -> Result<Vec<Loaded>> {
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
pub(super) fn all(sources: &[Box<dyn Source>]) -> Result<Vec<Loaded>> {
    let mut suites = gather(sources.iter().map(|source| source.all()))?;
    suites.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(suites)
}

/// The suites that may hold the trials of these names, and with them every other that may declare one of the same name
/// or reference.
pub(super) fn holding(sources: &[Box<dyn Source>], trials: &[&str]) -> Result<Vec<Loaded>> {
    let paths: BTreeSet<_> = trials.iter().flat_map(|name| WrittenName::parse(name).case_paths()).collect();
    let mut suites = Vec::new();
    for path in paths {
        for source in sources {
            suites.extend(source.one(path)?);
        }
    }
    Ok(suites)
}

/// Files whose names cannot be part of a trial's name, or would be ambiguous in that of a reference.
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
