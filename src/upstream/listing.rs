//! What can be printed instead of running anything.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::plan::{self, Point};
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

/// The environment of a test as commands for a shell, in which it can then be run by hand. Its
/// directories are made, empty of what it left there before, and stay.
///
/// # Errors
/// When there is no such test, or its directories cannot be made.
pub(super) fn environment(
    shared: &Shared,
    point: Option<&Point>,
    env: &TestEnv,
    work_dir: &Path,
) -> Result<String> {
    let point = point.ok_or_else(|| {
        Error::Setup("no test is chosen whose environment could be printed: name one with --exact".to_owned())
    })?;
    let name = point.name();
    let test_dir = work_dir.join("by-hand").join(name.replace("::", "."));
    let user = nix::unistd::geteuid();
    let sock_dir = env.sock_dir().unwrap_or(env.tmp_dir()).join(format!("iotests-by-hand-{user}"));
    if test_dir.exists() {
        fs::remove_dir_all(&test_dir).map_err(Error::io(format!("empty {}", test_dir.display())))?;
    }
    for dir in [&test_dir, &sock_dir] {
        fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
    }
    let reference =
        plan::find_reference(point, env)?.ok().and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let place = shared.programs()?.place(point, &name, &reference, &test_dir, &sock_dir);
    let mut out = String::new();
    for (name, value) in shared.surroundings.variables(env, &place)? {
        let name = name.to_string_lossy();
        let _ = match value {
            Some(value) => writeln!(out, "export {name}={}", shell_words::quote(&value.to_string_lossy())),
            None => writeln!(out, "unset {name}"),
        };
    }
    Ok(out)
}
