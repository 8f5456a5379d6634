//! Locks on files, waited for no longer than somebody wants to.

use std::fs::File;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Takes the lock of this file for itself; `None` if others hold it all the time. It ends with the process that
/// has it.
///
/// # Errors
/// What the system says where there are no locks.
pub(crate) fn lock(file: File, limit: Duration) -> io::Result<Option<Flock<File>>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((file, Errno::EWOULDBLOCK)) => lock_in_time(file, limit),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The system call that waits for a lock knows no time limit, so a thread makes it. One that gets the lock too
/// late finds nobody to give it to, and drops it.
fn lock_in_time(file: File, limit: Duration) -> io::Result<Option<Flock<File>>> {
    let (sender, receiver) = mpsc::channel();
    let wait = move || _ = sender.send(wait_for_lock(file));
    thread::Builder::new().name("lock".to_owned()).spawn(wait)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => Ok(Some(result?)),
        Err(_) => Ok(None),
    }
}

fn wait_for_lock(mut file: File) -> Result<Flock<File>, Errno> {
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Err((again, Errno::EINTR)) => file = again,
            other => return other.map_err(|(_, errno)| errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_it_is_free_and_given_up_when_it_takes_too_long() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let open = || File::open(file.path()).expect("open");
        let take = |limit| lock(open(), limit).expect("locks");
        let first = take(Duration::ZERO).expect("nobody has it");
        assert!(take(Duration::from_millis(10)).is_none());
        thread::scope(|scope| {
            let second = scope.spawn(|| take(Duration::from_secs(60)).is_some());
            drop(first);
            assert!(second.join().expect("no panic"));
        });
    }
}
