//! An image behind something that understands qemu-io's commands: qemu-io itself, or a VM's monitor.

use std::fs;
use std::path::PathBuf;

use super::disk::{Disk, Outcome};
use crate::error::{Error, Result};
use crate::tools::reports_failure;

/// Something that runs qemu-io's commands on one image.
pub(super) trait Prompt {
    /// Runs a command and returns what it printed.
    fn run(&mut self, command: &str) -> Result<String>;

    /// Changes the size of the image.
    fn resize(&mut self, size: u64) -> Result<String> {
        self.run(&format!("truncate {size}"))
    }

    /// Closes the image in order.
    fn close(self) -> Result<()>;

    /// Kills what has the image open.
    fn kill(self) -> Result<()>;
}

/// What begins the one complaint that is an answer.
const WRONG_PATTERN: &str = "Pattern verification failed";
/// How much is read by one command.
const MOST: u64 = 16 << 20;
/// How much is dumped by one command; each byte is several characters.
const MOST_DUMPED: u64 = 256 << 10;

/// An image behind a prompt.
pub(super) struct Spoken<P> {
    prompt: P,
    /// Where the data is put that is not the same all over.
    data: PathBuf,
}

impl<P: Prompt> Spoken<P> {
    pub(super) fn new(prompt: P, data: PathBuf) -> Self {
        Self { prompt, data }
    }

    fn run(&mut self, command: &str) -> Outcome {
        let printed = self.prompt.run(command)?;
        done(command, &printed)
    }
}

/// An error if a command printed that it failed. That it reports its work is demanded where it is run.
fn done(command: &str, printed: &str) -> Outcome {
    if reports_failure(printed) {
        return Err(Error::assertion(format!("{command}: {}", printed.trim())).into());
    }
    Ok(())
}

impl<P: Prompt> Disk for Spoken<P> {
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Outcome {
        let mut at = at;
        for piece in buffer.chunks_mut(MOST_DUMPED as usize) {
            let command = format!("read -v {at} {}", piece.len());
            let printed = self.prompt.run(&command)?;
            if undump(&printed, piece).is_none() {
                return Err(Error::assertion(format!("{command}: {}", last_line(&printed))).into());
            }
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Outcome {
        let len = data.len();
        let Some(first) = data.first() else { return Ok(()) };
        if data.iter().all(|byte| byte == first) {
            return self.run(&format!("write -P {first:#04x} {at} {len}"));
        }
        let file = self.data.display().to_string();
        if file.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\') {
            return Err(format!("qemu-io cannot read from a file with this name: {file:?}").into());
        }
        fs::write(&self.data, data).map_err(Error::io(format!("write {file}")))?;
        self.run(&format!("write -s {file} {at} {len}"))
    }

    fn flush(&mut self) -> Outcome {
        self.run("flush")
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(self.prompt.close()?)
    }

    fn write_zeroes(&mut self, at: u64, len: u64, unmap: bool) -> Outcome {
        self.run(&format!("write -z {}{at} {len}", if unmap { "-u " } else { "" }))
    }

    fn discard(&mut self, at: u64, len: u64) -> Outcome {
        self.run(&format!("discard {at} {len}"))
    }

    fn write_compressed(&mut self, at: u64, data: &[u8]) -> Outcome {
        let Some(byte) = data.first() else { return Ok(()) };
        self.run(&format!("write -c -P {byte:#04x} {at} {}", data.len()))
    }

    fn resize(&mut self, size: u64) -> Outcome {
        let printed = self.prompt.resize(size)?;
        done(&format!("truncate {size}"), &printed)
    }

    fn kill(self: Box<Self>) -> Outcome {
        Ok(self.prompt.kill()?)
    }

    fn holds(&mut self, at: u64, len: u64, byte: u8) -> Outcome<bool> {
        let (mut at, end) = (at, at + len);
        while at < end {
            let len = MOST.min(end - at);
            let command = format!("read -P {byte:#04x} {at} {len}");
            let printed = self.prompt.run(&command)?;
            if printed.contains(WRONG_PATTERN) {
                return Ok(false);
            }
            done(&command, &printed)?;
            at += len;
        }
        Ok(true)
    }
}

fn last_line(printed: &str) -> &str {
    printed.trim().lines().last().unwrap_or("it printed nothing")
}

/// Reads what `read -v` prints, lines as `00000010:  61 62 …  ab`, into `bytes`; `None` if it is not that.
fn undump(printed: &str, bytes: &mut [u8]) -> Option<()> {
    const PER_LINE: usize = 16;
    let mut lines = printed.lines();
    for row in bytes.chunks_mut(PER_LINE) {
        let (_, hex) = lines.next()?.split_once(":  ")?;
        for (at, byte) in row.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(at * 3..at * 3 + 2)?, 16).ok()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_back() {
        let dump = "00000000:  61 62 00 ff 01 01 01 01 01 01 01 01 01 01 01 01  ab..............\n\
                    00000010:  3a 20 .. :  \n";
        let mut bytes = [0; 18];
        assert!(undump(dump, &mut bytes).is_some());
        assert_eq!((&bytes[..4], &bytes[16..]), (&b"ab\0\xff"[..], &b": "[..]));
        assert!(undump("read failed: Input/output error\n", &mut bytes).is_none());
        assert!(undump(dump, &mut [0; 33]).is_none());
    }
}
