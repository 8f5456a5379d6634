//! Whether a tool has changed one of the files that its command line names.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime};

/// The coarsest clock by which a kernel stamps files: a hundred ticks a second.
const TICK: Duration = Duration::from_millis(10);

/// What the files that a command line names were like before it ran.
#[derive(Debug)]
pub(super) struct Footprints(Vec<(String, Option<Stamp>)>);

/// What a change of a file changes: which file it is, when it was changed, how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    length: u64,
}

impl Stamp {
    fn of(path: &str) -> Option<Self> {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()), length: file.len() })
    }

    /// Waits until a change would get another stamp than this.
    fn settle(self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = self.changed;
        let changed = Duration::new(seconds.unsigned_abs(), nanoseconds as u32);
        // A stamp from the future, of another machine's clock, is not waited for.
        if let Some(age) = now.checked_sub(changed).filter(|age| *age < TICK) {
            thread::sleep(TICK - age);
        }
    }
}

impl Footprints {
    /// Looks at what these words may name.
    pub(super) fn before(words: &[String]) -> Self {
        let paths = words.iter().map(|word| word.strip_prefix("of=").unwrap_or(word).to_owned());
        let prints: Vec<_> =
            paths.map(|path| (Stamp::of(&path), path)).map(|(stamp, path)| (path, stamp)).collect();
        prints.iter().filter_map(|(_, stamp)| *stamp).for_each(Stamp::settle);
        Self(prints)
    }

    /// Whether one of them is new or has changed, and holds anything, unless none of the others does.
    pub(super) fn any_changed(&self) -> bool {
        let now = self.0.iter().map(|(path, before)| (*before, Stamp::of(path)));
        let (changed, same): (Vec<_>, Vec<_>) = now.partition(|(before, now)| now.is_some() && before != now);
        let holds = |prints: &[(Option<Stamp>, Option<Stamp>)]| {
            prints.iter().any(|(_, now)| now.is_some_and(|stamp| stamp.length > 0))
        };
        holds(&changed) || (!changed.is_empty() && !holds(&same))
    }
}
