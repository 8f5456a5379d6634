//! What can be printed instead of running anything.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::point::Point;
use super::runner::Shared;
use crate::env::TestEnv;
use crate::error::{Error, Result};

/// Each test and its groups, in the manner of the lines that the tests themselves have.
pub(super) fn groups(points: &[Point]) -> String {
    let mut out = String::new();
    // The same tests run at every point of the matrix.
    let same = |point: &&Point| {
        points.first().is_some_and(|first| first.format == point.format && first.protocol == point.protocol)
    };
    for test in points.iter().filter(same).map(|point| &point.test) {
        let _ = writeln!(out, "{} # group: {}", test.name, test.source.groups.join(" "));
    }
    out
}

/// The environment of a test as commands for a shell, in which it can then be run by hand; the last goes
/// to where the test is run. Its directories, that of its images below `dir`, are made, empty of what it left there before, and stay.
///
/// # Errors
/// When not exactly one test is chosen, its directories cannot be made, or a value is not UTF-8.
pub(super) fn environment(shared: &Shared, points: &[Point], env: &TestEnv, dir: &Path) -> Result<String> {
    let [point] = points else {
        let chosen =
            if points.is_empty() { "no test".to_owned() } else { format!("{} trials", points.len()) };
        return Err(Error::Setup(format!(
            "{chosen} chosen whose environment could be printed: name one with --exact, such as 001::raw"
        )));
    };
    let name = point.name();
    let test_dir = dir.join(name.kept_path());
    let sock_dir = sock_dir(env, &test_dir)?;
    for dir in [&test_dir, &sock_dir] {
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(Error::io(format!("empty {}", dir.display())))?;
        }
        fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    }
    let reference = point.find_reference(env)?.and_then(|path| fs::read(path).ok());
    let reference = reference.unwrap_or_default();
    let name = name.to_string();
    let place = shared.programs()?.place(point, &name, &reference, &test_dir, &sock_dir);
    let mut out = String::new();
    for (name, value) in shared.surroundings.variables(env, &place)? {
        let name = name.to_string_lossy();
        let _ = match value {
            Some(value) => writeln!(out, "export {name}={}", quoted(&value)?),
            None => writeln!(out, "unset {name}"),
        };
    }
    let _ = writeln!(out, "cd {}", quoted(shared.surroundings.dir_of(&point.test).as_os_str())?);
    Ok(out)
}

/// Where a test that is run by hand has its sockets: a path as short as those of trials, in a directory of
/// the user's own, for what has its images here.
fn sock_dir(env: &TestEnv, test_dir: &Path) -> Result<PathBuf> {
    let user = nix::unistd::geteuid();
    let own = env.sock_dir().unwrap_or(env.tmp_dir()).join(format!("iotests-{user}"));
    let failed = || format!("create {}", own.display());
    match DirBuilder::new().mode(0o700).create(&own) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::io(failed())(error)),
        _ => {}
    }
    let present = fs::symlink_metadata(&own).map_err(Error::io(failed()))?;
    if !present.is_dir() || present.uid() != user.as_raw() {
        return Err(Error::Setup(format!(
            "{} exists, but is not a directory of this user's\nwhat to do: remove it, or set SOCK_DIR",
            own.display()
        )));
    }
    let mut hasher = DefaultHasher::new();
    test_dir.hash(&mut hasher);
    Ok(own.join(format!("{:08x}", hasher.finish() >> 32)))
}

fn quoted(value: &OsStr) -> Result<Cow<'_, str>> {
    let text = value.to_str().ok_or_else(|| {
        Error::Setup(format!("a shell cannot be given {}: it is not UTF-8", value.display()))
    })?;
    Ok(shell_words::quote(text))
}
