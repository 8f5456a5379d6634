//! A test target as a program of its own: built, run, and what it printed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use nix::sys::signal::{SigHandler, Signal, signal};

/// The test target that cargo says it built.
pub(crate) fn executable(built: Output) -> PathBuf {
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    let mut executables = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executables.next().unwrap()
}

/// What a run printed and how it ended.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The lines that tell how trials ended: `name: ok`.
    pub(crate) fn results(&self) -> Vec<String> {
        let line = |line: &str| {
            let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
            Some(format!("{}: {result}", name.trim_end()))
        };
        self.stdout.lines().filter_map(line).collect()
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Has a program end by the signals that ask for it. What a script starts in the background has them ignored,
/// and so has what the tests start there.
pub(crate) fn heeding_signals(command: &mut Command) -> &mut Command {
    let heed = || {
        for heeded in [Signal::SIGINT, Signal::SIGHUP] {
            // SAFETY: this sets no handler.
            unsafe { signal(heeded, SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls that are async-signal-safe.
    unsafe { command.pre_exec(heed) }
}
