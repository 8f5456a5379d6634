//! Dirty bitmaps stored in an image, kept with qemu-img.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["compat"]).groups(["bitmap", "quick"]);
    s.test("kept_through_their_whole_life", life);
    s.test("merged_bitmap_has_the_bits_of_both", merge).requires(Requirement::Tool(ToolKind::QemuNbd));
    s.test("mistakes_are_refused", mistakes);
    s.test("old_images_have_none", old_images).unsupported_imgopts(["="]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", &image, "4M"])?;
    Ok(image.to_string())
}

fn log_bitmaps(t: &Test, image: &str) -> TestResult {
    let info = t.qemu_img_info(["-f", "qcow2", image])?;
    match info["format-specific"]["data"].get("bitmaps") {
        Some(bitmaps) => t.log_with(bitmaps.clone(), &[]),
        None => t.log("no bitmaps"),
    }
    Ok(())
}

fn life(t: &mut Test) -> TestResult {
    let image = image(t)?;
    for step in [
        vec!["--add", "-g", "128k", &image, "b0"],
        vec!["--add", "--disable", "-g", "64k", &image, "b1"],
        vec!["--enable", &image, "b1"],
        vec!["--disable", &image, "b0"],
        vec!["--clear", &image, "b1"],
        vec!["--remove", &image, "b0"],
        vec!["--remove", &image, "b1"],
    ] {
        t.log_with(step.join(" "), &[t.filter_testfiles()]);
        t.qemu_img(["bitmap"].into_iter().chain(step))?;
        log_bitmaps(t, &image)?;
    }
    Ok(())
}

/// Ranges that an NBD client would see as dirty.
fn dirty(t: &Test, image: &str, bitmap: &str) -> TestResult<Vec<(u64, u64)>> {
    let socket = t.socket(&format!("nbd-{bitmap}"))?;
    t.qemu_nbd(["-r", "-t", "-f", "qcow2", "-B", bitmap, "-k", &socket, image])?;
    let options =
        format!("driver=nbd,server.type=unix,server.path={socket},x-dirty-bitmap=qemu:dirty-bitmap:{bitmap}");
    let map = t.qemu_img_map(["--image-opts", &options])?;
    // This way of asking shows dirty ranges as ranges without data.
    let dirty = map.as_array().into_iter().flatten().filter(|range| range["data"] == false);
    Ok(dirty.filter_map(|range| Some((range["start"].as_u64()?, range["length"].as_u64()?))).collect())
}

fn merge(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.qemu_img(["bitmap", "--add", &image, "early"])?;
    t.write_pattern(&image, 0xa1, "0", "64k")?;
    t.qemu_img(["bitmap", "--disable", &image, "early"])?;
    t.qemu_img(["bitmap", "--add", &image, "late"])?;
    t.write_pattern(&image, 0xa2, "1M", "128k")?;
    t.qemu_img(["bitmap", "--add", "--disable", "--merge", "early", "--merge", "late", &image, "both"])?;
    t.assert_eq(dirty(t, &image, "early")?, [(0, 64 << 10)])?;
    t.assert_eq(dirty(t, &image, "late")?, [(1 << 20, 128 << 10)])?;
    t.assert_eq(dirty(t, &image, "both")?, [(0, 64 << 10), (1 << 20, 128 << 10)])
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.qemu_img(["bitmap", "--add", "-g", "64k", &image, "b0"])?;
    for step in [
        vec!["--add", &image, "b0"],
        vec!["--add", "-g", "1000", &image, "b1"],
        vec!["--remove", &image, "b1"],
        vec!["--merge", "b1", &image, "b0"],
        vec![&image, "b0"],
    ] {
        t.log_with(step.join(" "), &[t.filter_testfiles()]);
        t.qemu_img_log(["bitmap"].into_iter().chain(step)).must_fail()?;
    }
    log_bitmaps(t, &image)
}

fn old_images(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", "-o", "compat=0.10", &image, "1M"])?;
    let said = t.qemu_img(["bitmap", "--add", &image, "b0"]).must_fail()?;
    t.log_with(said.stdout, &[Filter::generated_node_ids()]);
    t.assert_eq(said.status, Status::Exited(1))
}
