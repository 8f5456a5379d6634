//! Runs a command with another QEMU.

use std::convert::Infallible;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::apt::Apt;
use crate::tree::Tree;

/// What `cargo run` sets for this program, and the command must not take for its own.
const OF_THIS_PACKAGE: [&str; 3] = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "OUT_DIR"];

/// Becomes `command`, which finds that QEMU in its environment; comes back only with an error.
pub(crate) fn run(version: &str, mirror: Option<&str>, command: &[&str]) -> Result<Infallible, String> {
    let [program, arguments @ ..] = command else {
        return Err("with-qemu needs a command after `--`".to_owned());
    };
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("{version:?} is not a version of QEMU: expected one such as 7.2 or 10.0.13"));
    }
    let tree = there(&target_dir().join("qemu"), version, mirror)?;
    let mut command = Command::new(program);
    command.args(arguments).envs(tree.variables());
    for name in OF_THIS_PACKAGE {
        command.env_remove(name);
    }
    Err(format!("failed to run {program}: {}", command.exec()))
}

/// The unpacked QEMU, from an earlier run if it is whole.
fn there(dir: &Path, version: &str, mirror: Option<&str>) -> Result<Tree, String> {
    let tree = Tree::at(dir.join(version))?;
    if tree.check().is_ok() {
        return Ok(tree);
    }
    fs::create_dir_all(dir).map_err(|error| format!("failed to make {}: {error}", dir.display()))?;
    let _lock = lock(&dir.join("lock"))?;
    // Another run may just have brought it.
    match tree.check() {
        Ok(()) => return Ok(tree),
        Err(Some(problem)) => eprintln!("xtask: unpacking QEMU {version} again: {problem}"),
        Err(None) => {}
    }
    let apt = Apt::new(dir.join("apt"), mirror)?;
    let build = apt.newest(version)?;
    eprintln!("xtask: getting QEMU {} from Debian's {}", build.version, build.suite);
    let archives = apt.download(&build, &tree.packages())?;
    tree.unpack(&archives)?;
    // What is unpacked is all that is needed.
    let _ = fs::remove_dir_all(&archives);
    Ok(tree)
}

fn lock(path: &Path) -> Result<Flock<File>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to lock {}: {error}", path.display());
    let file = File::create(path).map_err(|error| failed(&error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((file, _)) => {
            eprintln!("xtask: waiting for another xtask that unpacks a QEMU");
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(&error))
        }
    }
}

fn target_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let dir = given.unwrap_or_else(|| root.canonicalize().unwrap_or(root).join("target"));
    std::path::absolute(&dir).unwrap_or(dir)
}
