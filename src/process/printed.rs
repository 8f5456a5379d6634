//! What a child prints, in a file.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::text_of;

/// How much of it a message shows: a child that prints without end shall not fill the memory.
const TAIL: u64 = 64 * 1024;

/// The file that a child prints to, or has printed to; it need not exist.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    file: PathBuf,
    /// How much of it the case has read. Clones share it.
    seen: Arc<AtomicU64>,
}

impl Printed {
    pub(crate) fn to(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), seen: Arc::default() }
    }

    /// All of it, for the case to read.
    pub(crate) fn show(&self) -> String {
        self.seen.store(self.len(), Ordering::Relaxed);
        self.whole()
    }

    /// What the case has not read.
    pub(crate) fn unseen(&self) -> String {
        self.since(self.seen.load(Ordering::Relaxed))
    }

    /// All of it.
    pub(crate) fn whole(&self) -> String {
        self.since(0)
    }

    /// How much it is so far.
    pub(crate) fn len(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// What came after the first `skipped` bytes.
    pub(crate) fn since(&self, skipped: u64) -> String {
        let read = || -> Result<Vec<u8>> {
            let mut file = File::open(&self.file)?;
            let mut bytes = Vec::new();
            // It may go on printing, as fast as this reads.
            let length = file.metadata()?.len().saturating_sub(skipped);
            file.seek(SeekFrom::Start(skipped))?;
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(text_of).unwrap_or_default()
    }

    /// The last of it, at `most` this many bytes, and how many there are before.
    pub(crate) fn end(&self, most: u64) -> (u64, String) {
        let before = self.len().saturating_sub(most);
        (before, self.since(before))
    }

    /// The last of it, for a message.
    pub(crate) fn tail(&self) -> String {
        match self.end(TAIL) {
            (0, text) => text,
            (before, text) => format!("({before} bytes before)\n{text}"),
        }
    }
}
