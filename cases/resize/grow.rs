//! Growing an image keeps what it holds.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2"]).groups(["rw", "quick"]).test("keeps_data", |t| {
        let disk = t.file("disk");
        t.qemu_img_create(["-f", t.imgfmt(), &disk, "1M"])?;
        t.write_pattern(&disk, 0xa5, "0", "64k")?;
        t.qemu_img(["resize", "-f", t.imgfmt(), &disk, "2M"])?;
        t.log(format!("grown to {} bytes", t.image_size(&disk)?));
        t.verify_pattern(&disk, 0xa5, "0", "64k")
    });
}
