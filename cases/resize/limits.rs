//! Images made longer and shorter, and how far that goes.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["resize", "quick"]);
    s.test("new_end_reads_as_zeros", grow).formats(["raw", "qcow2", "qed"]);
    s.test("sizes_may_be_relative", relative).formats(["raw", "qcow2", "qed"]);
    s.test("shrinking_must_be_asked_for", shrink).formats(["raw", "qcow2"]);
    // Of a cluster that is cut in two the data does come back.
    s.test("cut_off_data_does_not_come_back", cut_off)
        .formats(["raw", "qcow2"])
        .unsupported_imgopts(["cluster_size"]);
    s.test("backing_file_does_not_show_past_the_old_end", old_end)
        .formats(["qcow2"])
        .unsupported_imgopts(["compat"]);
    s.test("preallocated_growth", preallocated).formats(["raw", "qcow2"]).params(["off", "falloc", "full"]);
    s.test("old_qcow2_with_snapshots_keeps_its_size", old_with_snapshots)
        .formats(["qcow2"])
        .unsupported_imgopts(["="]);
}

fn image(t: &Test, size: &str) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, size])?;
    Ok(image.to_string())
}

fn resize(t: &Test, image: &str, size: &str) -> TestResult {
    t.qemu_img(["resize", "-f", t.imgfmt(), image, size])?;
    Ok(())
}

fn grow(t: &mut Test) -> TestResult {
    let image = image(t, "1000k")?;
    t.write_pattern(&image, 0x61, "0", "1000k")?;
    resize(t, &image, "4M")?;
    t.assert_eq(t.image_size(&image)?, 4 << 20)?;
    t.verify_pattern(&image, 0x61, "0", "1000k")?;
    t.verify_pattern(&image, 0, "1000k", "3096k")
}

fn relative(t: &mut Test) -> TestResult {
    let image = image(t, "1M")?;
    resize(t, &image, "+3M")?;
    t.assert_eq(t.image_size(&image)?, 4 << 20)?;
    t.qemu_img(["resize", "-f", t.imgfmt(), &image, "+0x"]).must_fail()?;
    t.assert_eq(t.image_size(&image)?, 4 << 20)
}

fn shrink(t: &mut Test) -> TestResult {
    let image = image(t, "4M")?;
    let said = t.qemu_img(["resize", "-f", t.imgfmt(), &image, "2M"]).must_fail()?;
    t.log(format!("without --shrink: {}", said.status));
    t.log(said.stdout);
    t.assert_eq(t.image_size(&image)?, 4 << 20)?;
    t.qemu_img(["resize", "-f", t.imgfmt(), "--shrink", &image, "-2M"])?;
    t.assert_eq(t.image_size(&image)?, 2 << 20)
}

fn cut_off(t: &mut Test) -> TestResult {
    let image = image(t, "4M")?;
    t.write_pattern(&image, 0x62, "0", "4M")?;
    t.qemu_img(["resize", "-f", t.imgfmt(), "--shrink", &image, "1M"])?;
    resize(t, &image, "4M")?;
    t.verify_pattern(&image, 0x62, "0", "1M")?;
    t.verify_pattern(&image, 0, "1M", "3M")
}

fn old_end(t: &mut Test) -> TestResult {
    let [base, top] = t.files(["base", "top"]);
    t.qemu_img_create(["-f", t.imgfmt(), &base, "4M"])?;
    t.write_pattern(&base, 0x63, "0", "4M")?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top, "1M"])?;
    resize(t, &top, "4M")?;
    t.verify_pattern(&top, 0x63, "0", "1M")?;
    t.verify_pattern(&top, 0, "1M", "3M")
}

fn preallocated(t: &mut Test) -> TestResult {
    let image = image(t, "1M")?;
    t.write_pattern(&image, 0x64, "0", "1M")?;
    let preallocation = format!("--preallocation={}", t.param());
    t.qemu_img(["resize", "-f", t.imgfmt(), &preallocation, &image, "3M"])?;
    t.verify_pattern(&image, 0x64, "0", "1M")?;
    t.verify_pattern(&image, 0, "1M", "2M")?;
    let file = std::fs::metadata(&image)?.len();
    let holds_all = file >= 3 << 20;
    t.assert(holds_all || t.param() == "off", format!("a file of {file} bytes holds all of 3 MiB"))
}

fn old_with_snapshots(t: &mut Test) -> TestResult {
    for compat in ["0.10", "1.1"] {
        let image = t.file(&format!("image-{compat}"));
        t.qemu_img_create(["-f", "qcow2", "-o", &format!("compat={compat}"), &image, "1M"])?;
        t.qemu_img(["snapshot", "-c", "before", &image])?;
        t.log(format!("compat {compat}:"));
        let resized = t.qemu_img_log(["resize", "-f", "qcow2", &image, "2M"]);
        if compat == "0.10" {
            resized.must_fail()?
        } else {
            resized?
        };
    }
    Ok(())
}
