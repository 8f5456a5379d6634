//! When two images count as equal, and what is said when they are not.
use iotests::prelude::*;

const FORMATS: [&str; 7] = ["raw", "qcow2", "qed", "vdi", "vmdk", "vhdx", "parallels"];

pub fn suite(s: &mut Suite) {
    s.formats(FORMATS).groups(["quick"]);
    s.test("equal_content_in_different_formats", equal);
    s.test("first_difference_is_named", different);
    s.test("zeros_at_the_end_do_not_count", longer_with_zeros);
    s.test("data_at_the_end_counts", longer_with_data);
    s.test("strict_mode_wants_equal_sizes_and_allocation", strict).formats(["qcow2"]);
    s.test("image_that_is_not_there", missing).formats(["raw", "qcow2"]);
}

/// A raw image and one of the tested format, the same size and content.
fn twins(t: &Test) -> TestResult<[String; 2]> {
    let [raw, image] = t.files(["raw", "image"]);
    t.qemu_img_create(["-f", "raw", &raw, "4M"])?;
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    t.write_pattern_as(&raw, "raw", 0x81, "1M", "1M")?;
    t.write_pattern(&image, 0x81, "1M", "1M")?;
    Ok([raw.to_string(), image.to_string()])
}

fn compare(t: &Test, extra: &[&str], raw: &str, image: &str) -> TestResult {
    let args = ["compare"].into_iter().chain(extra.iter().copied());
    let output = t.qemu_img(args.chain(["-f", "raw", "-F", t.imgfmt(), raw, image])).unchecked()?;
    t.log_with(output.stdout, &[t.filter_testfiles()]);
    t.log(output.status.to_string());
    Ok(())
}

fn equal(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    compare(t, &[], &raw, &image)
}

fn different(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    t.write_pattern(&image, 0x82, "1536k", "512")?;
    compare(t, &[], &raw, &image)
}

fn longer_with_zeros(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    t.qemu_img(["resize", "-f", "raw", &raw, "6M"])?;
    compare(t, &[], &raw, &image)
}

fn longer_with_data(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    t.qemu_img(["resize", "-f", "raw", &raw, "6M"])?;
    t.write_pattern_as(&raw, "raw", 0x83, "5M", "64k")?;
    compare(t, &[], &raw, &image)
}

fn strict(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    t.log("Unequal sizes:");
    t.qemu_img(["resize", "-f", "qcow2", &image, "6M"])?;
    compare(t, &["-s"], &raw, &image)?;
    t.log("Zeros that are written against zeros that are not:");
    let [first, second] = t.files(["first", "second"]);
    for image in [&first, &second] {
        t.qemu_img_create(["-f", "qcow2", image, "1M"])?;
    }
    t.write_pattern(&second, 0, "0", "64k")?;
    t.assert(t.compare_images(&first, &second)?, "without strictness they are equal")?;
    let output = t.qemu_img(["compare", "-s", "-f", "qcow2", "-F", "qcow2", &first, &second]).unchecked()?;
    t.log(output.stdout);
    t.log(output.status.to_string());
    Ok(())
}

fn missing(t: &mut Test) -> TestResult {
    let [raw, image] = twins(t)?;
    std::fs::remove_file(&image)?;
    compare(t, &[], &raw, &image)
}
