//! Patterns written to images and read back by qemu-io.

use crate::error::{Error, Failure, Result, TestResult, Unchecked};
use crate::process::Output;
use crate::test::Test;

impl Test {
    /// Fills `length` bytes at `offset` of an image of the tested format with one byte. Both may
    /// carry qemu-io's suffixes (`64k`, `1M`).
    ///
    /// # Errors
    /// [`Error::Tool`] when qemu-io fails.
    pub fn write_pattern(&self, file: &str, byte: u8, offset: &str, length: &str) -> Result<Output> {
        self.qemu_io(["-c", &format!("write -P {byte:#04x} {offset} {length}"), file])
    }

    /// Demands that `length` bytes at `offset` of an image all have this value.
    ///
    /// # Errors
    /// A failed assertion with what qemu-io printed when they do not, or cannot be read.
    #[track_caller]
    pub fn verify_pattern(&self, file: &str, byte: u8, offset: &str, length: &str) -> TestResult {
        let command = format!("read -P {byte:#04x} {offset} {length}");
        let output = self.qemu_io(["-r", "-c", &command, file]).unchecked()?;
        // Before 10.1 qemu-io ends with 0 even when the pattern does not match.
        if output.success() && !output.stdout.contains("Pattern verification failed") {
            return Ok(());
        }
        Err(Failure::new(Error::Assertion(format!(
            "{file} does not hold {byte:#04x} from {offset} for {length}:\n{}",
            output.stdout
        ))))
    }

    /// The name by which the tested protocol reaches a file of this machine
    /// (`iotests.py: remote_filename`). The user of `ssh` is `USER`, and `None` without one; an empty
    /// variable is as good as none here, while the seed then names no user.
    ///
    /// # Errors
    /// [`Error::Setup`] for a protocol other than `file` and `ssh`.
    pub fn remote_filename(&self, path: &str) -> Result<String> {
        match self.imgproto() {
            "file" => Ok(path.to_owned()),
            "ssh" => {
                Ok(format!("ssh://{}@127.0.0.1:22{path}", self.context().env().user().unwrap_or("None")))
            }
            other => Err(Error::Setup(format!("there is no remote file name for protocol {other}"))),
        }
    }
}
