//! What ends the rest when the harness is killed outright.
//!
//! The parent-death signal reaches the children themselves, not what they started, and nobody
//! removes the scratch files. So one small shell, started along with the first child, reads the
//! process groups from a pipe; the end of the harness, whatever its kind, is the end of that pipe.

use std::io::{PipeWriter, Write, pipe};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::Pid;

/// `+` and `-` bring and take a group, `/` brings a directory. Whatever is left at the end is ended
/// and removed.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r what which; do
    case $what in
        +) groups="$groups$which " ;;
        -) groups="${groups%% "$which" *} ${groups#* "$which" }" ;;
        /) set -- "$@" "$which" ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
for dir; do rm -rf -- "$dir"; done
"#;

/// Notes a live process group.
pub(super) fn watch_group(group: Pid) {
    let mut guard = Guard::of_this_process();
    guard.start();
    guard.tell(&format!("+ {group}\n"));
}

/// Notes that a group is gone; before its number can be used anew.
pub(super) fn forget_group(group: Pid) {
    Guard::of_this_process().tell(&format!("- {group}\n"));
}

/// Has a directory removed after this process has ended, if it is still there then. A process that
/// never starts a child has no guard: there, the next run removes it.
pub(crate) fn remove_at_end(dir: &Path) {
    if let Some(dir) = dir.to_str().filter(|dir| dir.starts_with('/') && !dir.contains(['\n', '\\'])) {
        Guard::of_this_process().tell(&format!("/ {dir}\n"));
    }
}

/// The guard is a help in the worst case: that it is missing, or does not listen, hurts nothing
/// else.
enum Guard {
    /// No child was started yet; what it is sent then.
    Asleep(String),
    Awake(PipeWriter),
    Missing,
}

impl Guard {
    fn of_this_process() -> MutexGuard<'static, Self> {
        static GUARD: Mutex<Guard> = Mutex::new(Guard::Asleep(String::new()));
        GUARD.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&mut self) {
        if let Self::Asleep(lines) = self {
            let lines = std::mem::take(lines);
            *self = start().map_or(Self::Missing, Self::Awake);
            self.tell(&lines);
        }
    }

    fn tell(&mut self, line: &str) {
        match self {
            Self::Asleep(lines) => lines.push_str(line),
            Self::Awake(pipe) => {
                let _ = pipe.write_all(line.as_bytes());
            }
            Self::Missing => {}
        }
    }
}

fn start() -> std::io::Result<PipeWriter> {
    let (read, write) = pipe()?;
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "iotests-guard"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(read)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(write)
}
