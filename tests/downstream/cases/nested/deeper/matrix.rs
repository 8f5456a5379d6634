//! A test that becomes a trial at each point of the matrix.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "raw"]).protocols(["file", "nbd"]).groups(["quick", "rw"]);
    s.test("image", image).params(["64k", "1M"]).unsupported_protocols(["nbd"]);
    s.test("plain", |_| Ok(())).formats(["raw"]).groups(["plain"]);
}

fn image(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, t.param()])?;
    let size: u64 = if t.param() == "1M" { 1 << 20 } else { 64 << 10 };
    t.assert_eq(t.image_size(&image)?, size)
}
