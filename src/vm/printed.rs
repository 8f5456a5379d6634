//! What QEMU prints, in a file: its messages, and the output of qemu-io commands.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

use crate::context::ScratchFile;
use crate::output::text_of;

/// How much of it a message shows: a QEMU that prints without end shall not fill the memory.
const TAIL: u64 = 64 * 1024;

/// The file that a QEMU prints to; there is none with `PRINT_QEMU`.
#[derive(Clone, Debug)]
pub(super) struct Printed(ScratchFile);

impl Printed {
    pub(super) fn to(file: ScratchFile) -> Self {
        Self(file)
    }

    /// All of it.
    pub(super) fn whole(&self) -> String {
        self.since(0)
    }

    /// How much it is so far.
    pub(super) fn len(&self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |file| file.len())
    }

    /// What came after the first `skipped` bytes.
    pub(super) fn since(&self, skipped: u64) -> String {
        let read = || -> Result<Vec<u8>> {
            let mut file = File::open(&self.0)?;
            let mut bytes = Vec::new();
            // It may go on printing, as fast as this reads.
            let length = file.metadata()?.len().saturating_sub(skipped);
            file.seek(SeekFrom::Start(skipped))?;
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(text_of).unwrap_or_default()
    }

    /// The last of it, for a message.
    pub(super) fn tail(&self) -> String {
        let skipped = self.len().saturating_sub(TAIL);
        let text = self.since(skipped);
        if skipped == 0 { text } else { format!("({skipped} bytes before)\n{text}") }
    }
}
