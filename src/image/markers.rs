//! Raw images in which every sector tells its own number.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const SECTOR: u64 = 512;

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
/// Sector numbers have 32 bits with a sign, so an image over 1 TiB is refused, before anything is written.
pub fn create_image(path: impl AsRef<Path>, size: u64) -> io::Result<()> {
    let sectors = i32::try_from(size.div_ceil(SECTOR) as i128 - 1).map_err(|_| {
        let why = format!("an image with sector markers holds at most 1 TiB, {size} bytes asked for");
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })?;
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..=sectors {
        file.write_all(&sector_marker(number))?;
    }
    file.flush()
}
