//! FUSE mounts that a killed server left behind: they would keep its directories from being removed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Capture, Cmd, Deadline, Registry};

/// How long one attempt to unmount may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Ways to unmount, the first of which works for ordinary users.
const WAYS: [(&str, &[&str]); 3] =
    [("fusermount3", &["-u", "-z"]), ("fusermount", &["-u", "-z"]), ("umount", &["-l"])];

/// Removes a directory and all that is in it, if it is there. Best effort: what stays goes with the next run.
pub(crate) fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => {
            release(&[dir.to_owned()]);
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Unmounts whatever is mounted below these directories. Returns what cannot be unmounted.
pub(crate) fn release(dirs: &[PathBuf]) -> Vec<PathBuf> {
    // Others may be mounted under any name.
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut mounted = below(&String::from_utf8_lossy(&table), dirs);
    mounted.retain(|point| !unmount(point));
    mounted
}

fn unmount(point: &Path) -> bool {
    WAYS.iter().any(|(program, options)| {
        let command = Cmd::new(program).args(*options).arg(point);
        let done = command.run(Capture::Merged, Deadline::after(LIMIT), &Registry::new());
        done.is_ok_and(|output| output.success())
    })
}

/// The mount points below `dirs`, the last mounted first.
fn below(table: &str, dirs: &[PathBuf]) -> Vec<PathBuf> {
    // The table has no path that goes through a link.
    let dirs: Vec<_> = dirs.iter().filter_map(|dir| dir.canonicalize().ok()).collect();
    let points =
        table.lines().rev().filter_map(|line| Some(PathBuf::from(unescaped(line.split(' ').nth(4)?))));
    points.filter(|point| dirs.iter().any(|dir| point.starts_with(dir))).collect()
}

/// Blanks and backslashes are written as octal numbers there.
fn unescaped(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_directory_are_found_innermost_first() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let root = temp.path().canonicalize().expect("a path");
        let (dir, link) = (root.join("a b"), root.join("link"));
        fs::create_dir(&dir).expect("directory");
        std::os::unix::fs::symlink(&dir, &link).expect("link");
        let table = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
            30 22 0:31 / ROOT/a\\040b/x rw - fuse fuse rw\n\
            31 30 0:32 / ROOT/a\\040b/x/y rw - fuse fuse rw\n\
            32 22 0:33 / ROOT/a\\040bc rw - fuse fuse rw\n";
        let table = table.replace("ROOT", &root.to_string_lossy());
        for named in [&dir, &link] {
            let found = below(&table, &[named.clone(), PathBuf::new()]);
            assert_eq!(found, [dir.join("x/y"), dir.join("x")]);
        }
    }
}
