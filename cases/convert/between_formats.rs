//! An image copied into another format has the same content there.
use iotests::prelude::*;

const FORMATS: [&str; 8] = ["raw", "qcow2", "qed", "vdi", "vmdk", "vhdx", "vpc", "parallels"];

pub fn suite(s: &mut Suite) {
    s.formats(FORMATS).groups(["convert", "quick"]);
    s.test("raw_there_and_back", there_and_back);
    // The others cannot tell holes from data.
    s.test("holes_stay_holes", holes).formats(["raw", "qcow2", "qed", "vdi", "vmdk"]);
    s.test("many_requests_out_of_order", out_of_order);
    s.test("onto_an_image_that_is_there", existing).formats([
        "raw",
        "qcow2",
        "qed",
        "vdi",
        "vmdk",
        "vhdx",
        "parallels",
    ]);
    s.test("marker_sectors_stay_in_place", markers);
}

/// A raw image with data here and there.
fn source(t: &Test) -> TestResult<String> {
    let source = t.file("source");
    t.qemu_img_create(["-f", "raw", &source, "8M"])?;
    for (byte, offset, length) in [(0x71, "0", "64k"), (0x72, "1000k", "300k"), (0x73, "8191k", "1k")] {
        t.write_pattern_as(&source, "raw", byte, offset, length)?;
    }
    Ok(source.to_string())
}

fn same(t: &Test, raw: &str, image: &str) -> TestResult {
    t.assert(t.compare_images_as(raw, "raw", image, t.imgfmt())?, "the copy has the content of its source")
}

fn there_and_back(t: &mut Test) -> TestResult {
    let source = source(t)?;
    let [there, back] = t.files(["there", "back"]);
    t.qemu_img(["convert", "-f", "raw", "-O", t.imgfmt(), &source, &there])?;
    same(t, &source, &there)?;
    t.qemu_img(["convert", "-f", t.imgfmt(), "-O", "raw", &there, &back])?;
    // vpc rounds its size up, so of the two raw images the copy may be longer.
    let copy = std::fs::read(&back)?;
    let original = std::fs::read(&source)?;
    t.assert(copy.starts_with(&original), "every byte is the same after the way back")?;
    t.assert(copy[original.len()..].iter().all(|byte| *byte == 0), "what was added is zeros")
}

fn holes(t: &mut Test) -> TestResult {
    let source = t.file("source");
    t.qemu_img_create(["-f", "raw", &source, "32M"])?;
    t.write_pattern_as(&source, "raw", 0x74, "16M", "64k")?;
    let copy = t.file("copy");
    t.qemu_img(["convert", "-f", "raw", "-O", t.imgfmt(), &source, &copy])?;
    same(t, &source, &copy)?;
    let map = t.qemu_img_map(["-f", t.imgfmt(), &copy])?;
    let data: u64 = map
        .as_array()
        .into_iter()
        .flatten()
        .filter(|range| range["data"] == true && range["zero"] == false)
        .filter_map(|range| range["length"].as_u64())
        .sum();
    t.assert(data < 16 << 20, format!("{data} bytes of data for the 64 KiB that were written"))
}

fn out_of_order(t: &mut Test) -> TestResult {
    let source = source(t)?;
    let copy = t.file("copy");
    t.qemu_img(["convert", "-W", "-m", "8", "-f", "raw", "-O", t.imgfmt(), &source, &copy])?;
    same(t, &source, &copy)
}

fn existing(t: &mut Test) -> TestResult {
    let source = source(t)?;
    let target = t.file("target");
    t.qemu_img_create(["-f", t.imgfmt(), &target, "8M"])?;
    t.write_pattern(&target, 0x75, "0", "8M")?;
    t.qemu_img(["convert", "-n", "-f", "raw", "-O", t.imgfmt(), &source, &target])?;
    same(t, &source, &target)
}

fn markers(t: &mut Test) -> TestResult {
    let [source, copy] = t.files(["source", "copy"]);
    iotests::image::create_image(&source, 1 << 20)?;
    t.qemu_img(["convert", "-f", "raw", "-O", t.imgfmt(), &source, &copy])?;
    same(t, &source, &copy)
}
