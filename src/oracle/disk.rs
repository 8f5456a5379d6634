//! What the author of an image library implements to have it tested.

use std::error::Error as StdError;
use std::path::Path;

use super::{Abilities, Image};

/// What an operation of a library comes to. Any error will do; it is part of the finding.
pub type Outcome<T = ()> = Result<T, Box<dyn StdError + Send + Sync>>;

/// An image library: something that opens images.
pub trait Library {
    /// Its name, for messages.
    fn name(&self) -> String;

    /// What it can do besides reading, writing and flushing. No other operation is drawn.
    fn can(&self) -> Abilities {
        Abilities::NONE
    }

    /// What offsets and lengths must be multiples of.
    fn alignment(&self) -> u64 {
        1
    }

    /// Whether it is QEMU, so that what it reads is what QEMU reads.
    #[doc(hidden)]
    fn is_qemu(&self) -> bool {
        false
    }

    /// A new sequence of operations begins; for a library that does not open every image alike.
    fn begin(&self) {}

    /// Opens an image for reading and writing. qemu-img has created it, in the format that `image`
    /// names.
    ///
    /// # Errors
    /// Whatever keeps it from doing so: a finding.
    fn open(&self, image: &Image, file: &Path) -> Outcome<Box<dyn Disk>>;
}

/// An open image. Every error is a finding, unless it says otherwise here. Dropping it is allowed to do
/// anything.
pub trait Disk {
    /// Fills the buffer with what is there.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Outcome;

    /// Writes.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn write(&mut self, at: u64, data: &[u8]) -> Outcome;

    /// Makes what was written survive a crash of the process.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn flush(&mut self) -> Outcome;

    /// Flushes, and closes the image in order.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn close(self: Box<Self>) -> Outcome;

    /// Writes zeroes. With `unmap` it may free what is there.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn write_zeroes(&mut self, at: u64, len: u64, unmap: bool) -> Outcome {
        let _ = (at, len, unmap);
        lacks("write_zeroes", "ZEROES")
    }

    /// Gives up what is there: it may stay, or become zero.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn discard(&mut self, at: u64, len: u64) -> Outcome {
        let _ = (at, len);
        lacks("discard", "DISCARD")
    }

    /// Writes one cluster compressed.
    ///
    /// # Errors
    /// What goes wrong. That alone is no finding, as long as the content is what it was: not every
    /// format can write over what is there.
    fn write_compressed(&mut self, at: u64, data: &[u8]) -> Outcome {
        let _ = (at, data);
        lacks("write_compressed", "COMPRESS")
    }

    /// Changes the size. What is new is zero.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn resize(&mut self, size: u64) -> Outcome {
        let _ = size;
        lacks("resize", "GROW and SHRINK")
    }

    /// Ends as if the process had been killed: writes nothing more, and lets go of the file.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn kill(self: Box<Self>) -> Outcome {
        lacks("kill", "KILL")
    }

    /// Whether all of a range holds this byte; for those that can say so without handing out the data.
    ///
    /// # Errors
    /// Whatever went wrong.
    fn holds(&mut self, at: u64, len: u64, byte: u8) -> Outcome<bool> {
        let mut buffer = vec![0; usize::try_from(len)?];
        self.read(at, &mut buffer)?;
        Ok(buffer.iter().all(|one| *one == byte))
    }
}

fn lacks(method: &str, ability: &str) -> Outcome {
    Err(format!("Library::can() names {ability}, but Disk::{method} is not implemented").into())
}
