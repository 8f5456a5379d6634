//! What a child prints, in a file.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::{raw_text_of, text_of};

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

    /// All of it, for the case to read; its lines end as they do in the file.
    pub(crate) fn show(&self) -> String {
        self.seen.store(self.len(), Ordering::Relaxed);
        self.whole()
    }

    /// What the case has not read.
    pub(crate) fn unseen(&self) -> String {
        self.since(self.seen.load(Ordering::Relaxed))
    }

    /// All of it; its lines end as they do in the file.
    pub(crate) fn whole(&self) -> String {
        raw_text_of(self.bytes_since(0))
    }

    /// How much it is so far.
    pub(crate) fn len(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// What came after the first `skipped` bytes.
    pub(crate) fn since(&self, skipped: u64) -> String {
        text_of(self.bytes_since(skipped))
    }

    fn bytes_since(&self, skipped: u64) -> Vec<u8> {
        let read = || -> Result<Vec<u8>> {
            let mut file = File::open(&self.file)?;
            let mut bytes = Vec::new();
            // It may go on printing, as fast as this reads.
            let length = file.metadata()?.len().saturating_sub(skipped);
            file.seek(SeekFrom::Start(skipped))?;
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().unwrap_or_default()
    }

    /// The last of it, at `most` this many bytes, and how many there are before.
    pub(crate) fn end(&self, most: u64) -> (u64, String) {
        let before = self.len().saturating_sub(most);
        (before, self.since(before))
    }

    /// The last of it, for an error; its lines end as they do in the file.
    pub(crate) fn tail(&self) -> String {
        let before = self.len().saturating_sub(TAIL);
        let text = raw_text_of(self.bytes_since(before));
        if before == 0 { text } else { format!("({before} bytes before)\n{text}") }
    }
}
