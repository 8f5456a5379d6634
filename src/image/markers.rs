//! Raw images in which every sector holds its own number.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

const SECTOR: u64 = 512;
/// As many as have a number of their own.
const MOST_SECTORS: u64 = 1 << 31;

/// The sector with this number: the number, big-endian, in its first and in its last four bytes, zeros between.
pub fn sector_marker(number: i32) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    sector[..4].copy_from_slice(&number.to_be_bytes());
    sector[508..].copy_from_slice(&number.to_be_bytes());
    sector
}

/// Writes a raw image of `size` bytes, rounded up to whole sectors of 512, each a [`sector_marker`]
/// (`iotests.py: create_image`).
///
/// # Errors
/// [`Error::Misuse`] for an image over 1 TiB, before anything is written: sector numbers have 32
/// bits with a sign. [`Error::Io`] when the file cannot be written.
pub fn create_image(path: impl AsRef<Path>, size: u64) -> Result<()> {
    let sectors = size.div_ceil(SECTOR);
    if sectors > MOST_SECTORS {
        return Err(Error::misuse(format!(
            "an image with sector markers holds at most 1 TiB, {size} bytes were asked for"
        )));
    }
    let path = path.as_ref();
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for number in 0..sectors {
            file.write_all(&sector_marker(number as i32))?;
        }
        file.flush()
    };
    write().map_err(Error::io(format!("write {}", path.display())))
}
