//! Sample images, stored compressed.

use std::fs::File;
use std::io;

use bzip2::read::MultiBzDecoder;

use crate::error::{Error, Result};
use crate::test::Test;

impl Test {
    /// Unpacks `<sample>.bz2` from the directory of sample images into `file`, which it overwrites
    /// (`iotests.py: unarchive_sample_image`). The directory is `SAMPLE_IMG_DIR`, or
    /// `samples` where the project's cases are.
    ///
    /// # Errors
    /// [`Error::Setup`] when there is no such directory; [`Error::Io`] when the sample cannot be
    /// read or `file` not written.
    pub fn sample_image(&self, sample: &str, file: &str) -> Result<()> {
        let Some(dir) = self.context().env().sample_img_dir() else {
            return Err(Error::Setup(
                "there is no directory of sample images: name one in SAMPLE_IMG_DIR".into(),
            ));
        };
        let packed = dir.join(format!("{sample}.bz2"));
        let input =
            File::open(&packed).map_err(Error::io(format!("open sample image {}", packed.display())))?;
        let mut output = File::create(file).map_err(Error::io(format!("create {file}")))?;
        io::copy(&mut MultiBzDecoder::new(input), &mut output)
            .map(drop)
            .map_err(Error::io(format!("unpack {} into {file}", packed.display())))
    }
}
