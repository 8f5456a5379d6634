//! The size an image is created with is the size it has.
use iotests::prelude::*;

const FORMATS: [&str; 8] = ["raw", "qcow2", "qed", "vdi", "vmdk", "vhdx", "vpc", "parallels"];

pub fn suite(s: &mut Suite) {
    s.formats(FORMATS).unsupported_imgopts(["="]).groups(["create", "quick"]);
    s.test("whole_megabytes_are_kept", whole_megabytes);
    s.test("odd_sizes_lose_nothing", odd_sizes);
    s.test("no_bytes_at_all", empty).formats(["raw", "qcow2", "parallels"]);
    s.test("new_images_read_as_zeros", zeros);
}

/// Options with which a format keeps any number of sectors.
fn exact(t: &Test) -> Vec<&'static str> {
    if t.imgfmt() == "vpc" { vec!["-o", "force_size=on"] } else { Vec::new() }
}

fn create(t: &Test, size: u64) -> TestResult<String> {
    let image = t.file("image");
    let size = size.to_string();
    let mut args = vec!["-f", t.imgfmt()];
    args.extend(exact(t));
    args.extend([image.as_str(), &size]);
    t.qemu_img_create(args)?;
    Ok(image.to_string())
}

fn whole_megabytes(t: &mut Test) -> TestResult {
    for size in [1 << 20, 5 << 20, 1 << 32] {
        let image = create(t, size)?;
        t.assert_eq(t.image_size(&image)?, size)?;
    }
    Ok(())
}

fn odd_sizes(t: &mut Test) -> TestResult {
    for size in [513, 1_000_001, 33_554_433] {
        let image = create(t, size)?;
        let got = t.image_size(&image)?;
        t.assert(
            got >= size && got % 512 == 0,
            format!("{size} bytes become {got}, whole sectors and not fewer"),
        )?;
    }
    Ok(())
}

fn empty(t: &mut Test) -> TestResult {
    let image = create(t, 0)?;
    t.assert_eq(t.image_size(&image)?, 0)
}

fn zeros(t: &mut Test) -> TestResult {
    let image = create(t, 4 << 20)?;
    t.verify_pattern(&image, 0, "0", "4M")
}
