//! Which format an image has by its content, for where a format is assumed that takes anything: raw.

use std::fs::File;
use std::io::Read;

use crate::error::{Error, Result};
use crate::test::Test;

/// What files of a format hold, and where.
const MAGIC: [(usize, &[u8], &str); 13] = [
    (0, b"QFI\xfb\0\0\0\x01", "qcow"),
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
];

/// The format of an image other than raw, if the beginning of the file says so.
fn format_of(file: &str) -> Option<&'static str> {
    let mut beginning = Vec::new();
    let file = File::open(file).ok().filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()))?;
    file.take(512).read_to_end(&mut beginning).ok()?;
    let fits = |(at, magic, _): &&(usize, &[u8], &str)| {
        beginning.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    MAGIC.iter().find(fits).map(|(.., format)| *format)
}

impl Test {
    /// Demands that a file is no image of another format, where it is about to be used as one of the tested format
    /// only because none was named. Formats other than raw are refused by QEMU itself.
    ///
    /// # Errors
    /// [`Error::Misuse`] that says which format it has and what to do.
    pub(crate) fn assume_tested_format(&self, file: &str) -> Result<()> {
        match format_of(file) {
            Some(format) if self.imgfmt() == "raw" => Err(Error::misuse(format!(
                "{file} is a {format} image, but would be used as raw, the tested format: name the format in the \
                 call (raw, if that is meant), or test {format}, as by Test::with_format({format:?})"
            ))),
            _ => Ok(()),
        }
    }
}
