//! FUSE mounts that a test left behind: they would keep its directories from being removed.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Capture, Cmd, Deadline, Registry};

/// How long one attempt to unmount may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Ways to unmount, the first of which works for ordinary users.
const WAYS: [(&str, &[&str]); 3] =
    [("fusermount3", &["-u", "-z"]), ("fusermount", &["-u", "-z"]), ("umount", &["-l"])];

/// Unmounts whatever is mounted below these directories. What cannot be unmounted shows when they are
/// removed.
pub(super) fn release(dirs: &[PathBuf]) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for point in below(&table, dirs) {
        for (program, options) in WAYS {
            let command = Cmd::new(program).args(options).arg(&point);
            let done = command.run(Capture::Merged, Deadline::after(LIMIT), &Registry::new());
            if done.is_ok_and(|output| output.success()) {
                break;
            }
        }
    }
}

/// The mount points below `dirs`, the last mounted first.
fn below(table: &str, dirs: &[PathBuf]) -> Vec<PathBuf> {
    let dirs: Vec<_> = dirs.iter().filter(|dir| dir.is_absolute()).collect();
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
        let table = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
            30 22 0:31 / /tmp/a\\040b/x rw - fuse fuse rw\n\
            31 30 0:32 / /tmp/a\\040b/x/y rw - fuse fuse rw\n\
            32 22 0:33 / /tmp/a\\040bc rw - fuse fuse rw\n";
        let found = below(table, &["/tmp/a b".into(), PathBuf::new()]);
        assert_eq!(found, [PathBuf::from("/tmp/a b/x/y"), PathBuf::from("/tmp/a b/x")]);
    }
}
