//! The files of a trial that are kept, and the ends of its logs, for looking into its failure.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use super::name::{self, TrialName};
use crate::context::mounts;
use crate::error::{Error, Result};
use crate::process::Printed;

/// Lines of each log file that a failure shows.
const TAIL: usize = 20;
/// How much of a log file is read for them: a reply of the monitor can be long, and a log endless.
const END: u64 = 4 << 20;
/// How much of a line is shown.
const WIDTH: usize = 300;

/// What was logged, beside the other files of a failed trial.
pub(super) const ACTUAL: &str = "actual.out";

/// Where the files of trials are kept, a directory for each.
#[derive(Debug)]
pub(super) struct Kept {
    base: PathBuf,
    /// Distinguishes the trials of a project or a suite from those of others that have the same names.
    mark: String,
}

/// Why the files of a trial are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// It failed.
    Failed,
    /// All are to be kept.
    Asked,
}

impl Kept {
    /// Below `base`, which must be on the same file system as the trials' directories: keeping is a
    /// rename.
    pub(super) fn below(base: &Path, mark: String) -> Self {
        Self { base: base.to_owned(), mark }
    }

    fn place(&self, trial: &Path, why: Why) -> PathBuf {
        let kind = match why {
            Why::Failed => "failed",
            Why::Asked => "kept",
        };
        self.base.join(kind).join(&self.mark).join(trial)
    }

    /// Keeps a trial's directory, in place of what an earlier run kept.
    pub(super) fn keep(&self, dir: &Path, trial: &TrialName, why: Why) -> Result<PathBuf> {
        let place = self.place(&trial.kept_path(), why);
        self.forget(trial);
        // Or what is kept could not be removed any more.
        mounts::release(&[dir.to_owned()]);
        let failed = || format!("keep {} as {}", dir.display(), place.display());
        fs::create_dir_all(place.parent().unwrap_or(&self.base)).map_err(Error::io(failed()))?;
        // Another run may have kept its own meanwhile.
        let again = |_| {
            self.forget(trial);
            fs::rename(dir, &place)
        };
        fs::rename(dir, &place).or_else(again).map_err(Error::io(failed()))?;
        Ok(place)
    }

    /// Removes what an earlier run kept of a trial that is gone, which had this name, and directories that are empty then.
    pub(super) fn remove(&self, name: &str) {
        let trial = name::place_of(name);
        self.forget_at(&trial);
        for why in [Why::Failed, Why::Asked] {
            let place = self.place(&trial, why);
            let above = place.ancestors().skip(1).take_while(|dir| *dir != self.base);
            let _ = above.map(fs::remove_dir).find(Result::is_err);
        }
    }

    /// Removes what an earlier run kept.
    pub(super) fn forget(&self, trial: &TrialName) {
        self.forget_at(&trial.kept_path());
    }

    fn forget_at(&self, trial: &Path) {
        for why in [Why::Failed, Why::Asked] {
            let _ = fs::remove_dir_all(self.place(trial, why));
        }
    }
}

/// The ends of the log files in a trial's directory, by name.
pub(super) fn log_tails(dir: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut tails = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let (before, text) = Printed::to(path).end(END);
        if !text.trim().is_empty() {
            tails.push((entry.file_name().to_string_lossy().into_owned(), tail(before, &text)));
        }
    }
    tails.sort();
    tails
}

/// The last lines of a text that `before` bytes come before.
fn tail(before: u64, text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL);
    let mut out = match (before, skipped) {
        (0, 0) => String::new(),
        (0, _) => format!("… {skipped} lines before\n"),
        _ => format!("… more than {skipped} lines before\n"),
    };
    let shown: Vec<_> = lines[skipped..].iter().map(|line| shortened(line)).collect();
    out.push_str(&shown.join("\n"));
    out
}

fn shortened(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => Cow::Owned(format!("{} …", &line[..end])),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek as _, SeekFrom, Write as _};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown_however_long_it_is() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut long = File::create(dir.path().join("long.log")).expect("create");
        long.seek(SeekFrom::Start(1 << 36)).expect("seek");
        long.write_all(b"\nlast\n").expect("write");
        fs::write(dir.path().join("short.log"), "1\n2\n").expect("write");
        fs::write(dir.path().join("21.log"), "line\n".repeat(21)).expect("write");
        // Reading it would block.
        mkfifo(&dir.path().join("fifo.log"), Mode::S_IRWXU).expect("a fifo");
        let tails = log_tails(dir.path());
        let names: Vec<_> = tails.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["21.log", "long.log", "short.log"]);
        assert!(tails[0].1.starts_with("… 1 lines before\nline\n"), "{}", tails[0].1);
        assert!(tails[1].1.starts_with("… more than 0 lines before\n"), "{}", tails[1].1);
        assert!(tails[1].1.ends_with("\nlast"), "{}", tails[1].1);
        assert_eq!(tails[2].1, "1\n2");
    }
}
