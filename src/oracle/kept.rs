//! Findings that are kept, so that the next search tries them first. Each is a file of JSON: the
//! operations, and the seed that they were drawn from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::op::Op;
use crate::error::{Error, Result};
use crate::test::Test;

/// A sequence that was found to fail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) seed: u64,
    pub(super) size: u64,
    pub(super) ops: Vec<Op>,
}

/// Where the findings of searches of this name are kept: `oracle/<name>` below the directory in which
/// the runs of this test make theirs.
pub(super) fn directory(test: &Test, name: &str) -> PathBuf {
    let env = test.context().env();
    let runs = test.context().scratch().run_dir().parent().map(Path::to_owned);
    // An ordinary test has its files where all users have theirs; what is kept belongs to the project.
    let base = match runs {
        Some(runs) if runs != env.tmp_dir() => runs,
        other => of_the_build().or(other).unwrap_or_else(|| env.tmp_dir().to_owned()),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    base.join("oracle").join(name.chars().map(plain).collect::<String>())
}

/// `target/iotests`, if this program is where cargo puts tests: `target/<profile>/deps`.
fn of_the_build() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let deps = program.parent().filter(|dir| dir.ends_with("deps"))?;
    Some(deps.parent()?.parent()?.join("iotests"))
}

/// All that is kept in a directory, in the order of the names.
pub(super) fn read(dir: &Path) -> Result<Vec<(PathBuf, Kept)>> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.into_iter().map(|path| read_one(&path).map(|kept| (path, kept))).collect()
}

fn read_one(path: &Path) -> Result<Kept> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(Error::io(format!("read {shown}")))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::Setup(format!("{shown} is no finding of this version ({error}): remove the file to go on"))
    })
}

/// Keeps a finding.
pub(super) fn write(dir: &Path, kept: &Kept) -> Result<PathBuf> {
    fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    let path = dir.join(format!("{:016x}.json", kept.seed));
    let text = serde_json::to_string_pretty(kept).map_err(|error| Error::Other(Box::new(error)))?;
    // Two processes may keep the same one.
    let mut file = tempfile::NamedTempFile::new_in(dir)
        .map_err(Error::io(format!("create a file in {}", dir.display())))?;
    std::io::Write::write_all(&mut file, text.as_bytes())
        .map_err(Error::io(format!("write {}", path.display())))?;
    file.persist(&path).map_err(|error| Error::io(format!("write {}", path.display()))(error.error))?;
    Ok(path)
}
