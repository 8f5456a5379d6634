//! What a trial leaves behind for whoever looks into its failure.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Lines of each log file that a failure shows.
const TAIL: usize = 20;
/// How much of a line is shown; a reply of the monitor can be endless.
const WIDTH: usize = 300;

/// What was logged, beside the other files of a failed trial.
pub(super) const ACTUAL: &str = "actual.out";

/// Where the files of trials are kept, a directory for each.
#[derive(Debug)]
pub(super) struct Kept {
    base: PathBuf,
    /// Tells the trials of a suite from those of others that have the same names.
    mark: Option<String>,
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
    pub(super) fn below(base: &Path, mark: Option<String>) -> Self {
        Self { base: base.to_owned(), mark }
    }

    fn place(&self, trial: &str, why: Why) -> PathBuf {
        let kind = match why {
            Why::Failed => "failed",
            Why::Asked => "kept",
        };
        // A colon in a path would make QEMU take what is before it for a protocol.
        self.base.join(kind).join(self.mark.as_deref().unwrap_or_default()).join(trial.replace("::", "."))
    }

    /// Keeps a trial's directory, in place of what an earlier run kept.
    pub(super) fn keep(&self, dir: &Path, trial: &str, why: Why) -> Result<PathBuf> {
        let place = self.place(trial, why);
        self.forget(trial);
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

    /// Removes what an earlier run kept of a trial that is gone, and directories that are empty then.
    pub(super) fn remove(&self, trial: &str) {
        self.forget(trial);
        for why in [Why::Failed, Why::Asked] {
            let place = self.place(trial, why);
            let above = place.ancestors().skip(1).take_while(|dir| *dir != self.base);
            let _ = above.map(fs::remove_dir).find(Result::is_err);
        }
    }

    /// Removes what an earlier run kept.
    pub(super) fn forget(&self, trial: &str) {
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
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        if !text.trim().is_empty() {
            tails.push((entry.file_name().to_string_lossy().into_owned(), tail(&text)));
        }
    }
    tails.sort();
    tails
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL);
    let mut out = if skipped > 0 { format!("… {skipped} lines before\n") } else { String::new() };
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
