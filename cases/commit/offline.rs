//! An overlay committed into what is below it, with no VM.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed", "vmdk"]).groups(["commit", "quick"]);
    s.test("data_moves_down_one_layer", one_layer);
    s.test("data_moves_down_to_the_named_layer", to_the_bottom);
    s.test("overlay_is_emptied_unless_kept", emptied).formats(["qcow2"]);
    s.test("zeros_are_committed_too", zeros);
    s.test("longer_overlay_makes_its_backing_file_grow", longer).formats(["qcow2", "qed"]);
    s.test("named_layer_that_is_not_in_the_chain", stranger).formats(["qcow2"]);
}

fn layer(t: &Test, name: &str, below: Option<&str>) -> TestResult<String> {
    let image = t.file(name);
    match below {
        None => t.qemu_img_create(["-f", t.imgfmt(), &image, "3M"])?,
        Some(below) => t.qemu_img_create(["-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), &image])?,
    };
    Ok(image.to_string())
}

fn one_layer(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None)?;
    t.write_pattern(&base, 0x01, "0", "3M")?;
    let top = layer(t, "top", Some(&base))?;
    t.write_pattern(&top, 0x02, "1M", "1M")?;
    t.qemu_img_log(["commit", "-f", t.imgfmt(), &top])?;
    // A vmdk overlay refuses to be read once its backing file was written to.
    let readable = if t.imgfmt() == "vmdk" { vec![&base] } else { vec![&base, &top] };
    for image in readable {
        t.verify_pattern(image, 0x01, "0", "1M")?;
        t.verify_pattern(image, 0x02, "1M", "1M")?;
        t.verify_pattern(image, 0x01, "2M", "1M")?;
    }
    Ok(())
}

fn to_the_bottom(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None)?;
    let mid = layer(t, "mid", Some(&base))?;
    t.write_pattern(&mid, 0x11, "0", "2M")?;
    let top = layer(t, "top", Some(&mid))?;
    t.write_pattern(&top, 0x12, "1M", "1M")?;
    t.qemu_img(["commit", "-f", t.imgfmt(), "-b", &base, &top])?;
    t.verify_pattern(&base, 0x11, "0", "1M")?;
    t.verify_pattern(&base, 0x12, "1M", "1M")?;
    t.verify_pattern(&base, 0, "2M", "1M")
}

fn emptied(t: &mut Test) -> TestResult {
    let data = |image: &str| -> TestResult<usize> {
        let map = t.qemu_img_map(["-f", "qcow2", image])?;
        Ok(map
            .as_array()
            .into_iter()
            .flatten()
            .filter(|range| range["depth"] == 0 && range["data"] == true)
            .count())
    };
    for (name, extra, left) in [("emptied", None, 0), ("kept", Some("-d"), 1)] {
        let base = layer(t, &format!("{name}-base"), None)?;
        let top = layer(t, name, Some(&base))?;
        t.write_pattern(&top, 0x21, "1M", "1M")?;
        t.qemu_img(["commit", "-f", "qcow2"].into_iter().chain(extra).chain([top.as_str()]))?;
        t.assert_eq(data(&top)?, left)?;
        t.verify_pattern(&top, 0x21, "1M", "1M")?;
        t.verify_pattern(&base, 0x21, "1M", "1M")?;
    }
    Ok(())
}

fn zeros(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None)?;
    t.write_pattern(&base, 0x31, "0", "3M")?;
    let top = layer(t, "top", Some(&base))?;
    t.qemu_io(["-c", "write -z 1M 512k", &top])?;
    t.qemu_img(["commit", "-f", t.imgfmt(), &top])?;
    t.verify_pattern(&base, 0x31, "0", "1M")?;
    t.verify_pattern(&base, 0, "1M", "512k")?;
    t.verify_pattern(&base, 0x31, "1536k", "1536k")
}

fn longer(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None)?;
    t.write_pattern(&base, 0x41, "0", "3M")?;
    let top = t.file("top");
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top, "5M"])?;
    t.write_pattern(&top, 0x42, "4M", "512k")?;
    t.qemu_img(["commit", "-f", t.imgfmt(), &top])?;
    t.assert_eq(t.image_size(&base)?, 5 << 20)?;
    t.verify_pattern(&base, 0x41, "0", "3M")?;
    t.verify_pattern(&base, 0, "3M", "1M")?;
    t.verify_pattern(&base, 0x42, "4M", "512k")
}

fn stranger(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None)?;
    let top = layer(t, "top", Some(&base))?;
    let other = layer(t, "other", None)?;
    t.qemu_img_log(["commit", "-f", "qcow2", "-b", &other, &top]).must_fail()?;
    Ok(())
}
