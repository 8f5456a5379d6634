//! Resources of the host that one trial at a time may use, whichever process it runs in.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::Flock;
use nix::libc::O_NOFOLLOW;

use crate::error::{Error, Result};
use crate::process;

/// How long a trial waits for others to be done with a resource: many trials' time limits.
const LIMIT: Duration = Duration::from_secs(3600);

/// Resources held; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    _locks: Vec<Flock<File>>,
}

/// Waits until all `resources` are free and takes them. They must be in one order for everybody,
/// or two trials could wait for each other.
pub(super) fn hold(resources: &[String], dir: &Path) -> Result<Held> {
    let locks: Result<_> = resources.iter().map(|name| lock(name, dir)).collect();
    Ok(Held { _locks: locks? })
}

fn lock(resource: &str, dir: &Path) -> Result<Flock<File>> {
    let path = dir.join(format!("iotests-serial-{resource}.lock"));
    lock_file(&path, &format!("another trial to be done with the serial resource {resource}"), LIMIT)
}

/// Takes the lock of this file, waiting up to `limit` for `what`.
pub(super) fn lock_file(path: &Path, what: &str, limit: Duration) -> Result<Flock<File>> {
    let file = open(path).map_err(Error::io(format!("open {}", path.display())))?;
    let lock = process::lock(file, limit).map_err(Error::io(format!("lock {}", path.display())))?;
    lock.ok_or_else(|| Error::Timeout {
        what: format!("{what} (lock file {})", path.display()),
        after: limit,
        last_seen: String::new(),
    })
}

/// Opens the lock file without creating it if it is there: in a shared directory the kernel refuses
/// to "create" a file of another user.
fn open(path: &Path) -> std::io::Result<File> {
    let existing = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path);
    match existing {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let new = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .custom_flags(O_NOFOLLOW)
                .open(path)?;
            // For other users, whatever the umask. If the file is one of theirs, it is for them to do.
            let _ = new.set_permissions(Permissions::from_mode(0o644));
            Ok(new)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn one_at_a_time_holds_a_resource() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let both = ["a".to_owned(), "b".to_owned()];
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let held = hold(&both, dir.path()).expect("lock");
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }
}
