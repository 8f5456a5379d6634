//! Patterns written to images and read back by qemu-io.

use crate::error::{Error, Failure, Result, TestResult};
use crate::process::Output;
use crate::test::Test;

impl Test {
    /// Fills `length` bytes at `offset` of an image of the tested format with one byte. Both may
    /// carry qemu-io's suffixes (`64k`, `1M`). Another qemu-io then reads the bytes back, so that what a case
    /// derives from them, such as a copy to compare with, is not derived from something else.
    ///
    /// # Errors
    /// [`Error::Tool`] when qemu-io fails; [`Error::NoEvidence`] when it does not report that many bytes;
    /// [`Error::Misuse`] for an image of another format that would be taken for raw, and its header overwritten;
    /// a failed assertion when the bytes are not there afterwards.
    pub fn write_pattern(&self, file: &str, byte: u8, offset: &str, length: &str) -> Result<Output> {
        self.assume_tested_format(file)?;
        self.write_pattern_as(file, self.imgfmt(), byte, offset, length)
    }

    /// As [`write_pattern`](Self::write_pattern), for an image of this format, also raw whatever the file holds.
    ///
    /// # Errors
    /// As [`write_pattern`](Self::write_pattern).
    pub fn write_pattern_as(
        &self,
        file: &str,
        format: &str,
        byte: u8,
        offset: &str,
        length: &str,
    ) -> Result<Output> {
        let written =
            self.qemu_io(["-f", format, "-c", &format!("write -P {byte:#04x} {offset} {length}"), file])?;
        self.verify_pattern_as(file, format, byte, offset, length).map_err(|failure| failure.error)?;
        Ok(written)
    }

    /// Demands that `length` bytes at `offset` of an image of the tested format all have this value.
    ///
    /// # Errors
    /// A failed assertion with what qemu-io printed when they do not, or cannot be read; [`Error::NoEvidence`] and
    /// [`Error::Misuse`] as for [`write_pattern`](Self::write_pattern).
    #[track_caller]
    pub fn verify_pattern(&self, file: &str, byte: u8, offset: &str, length: &str) -> TestResult {
        self.assume_tested_format(file)?;
        self.verify_pattern_as(file, self.imgfmt(), byte, offset, length)
    }

    /// As [`verify_pattern`](Self::verify_pattern), for an image of this format.
    ///
    /// # Errors
    /// As [`verify_pattern`](Self::verify_pattern).
    #[track_caller]
    pub fn verify_pattern_as(
        &self,
        file: &str,
        format: &str,
        byte: u8,
        offset: &str,
        length: &str,
    ) -> TestResult {
        let command = format!("read -P {byte:#04x} {offset} {length}");
        match self.qemu_io(["-r", "-f", format, "-c", &command, file]) {
            Ok(_) => Ok(()),
            Err(Error::Tool(output)) => Err(Failure::new(Error::Assertion(format!(
                "{file} does not hold {byte:#04x} from {offset} for {length}:\n{}",
                output.stdout
            )))),
            Err(other) => Err(Failure::new(other)),
        }
    }
}
