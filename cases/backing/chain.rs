//! Images on top of others: what an overlay lacks comes from below it.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed", "vmdk"]).groups(["backing", "quick"]);
    s.test("reads_fall_through_to_the_layer_that_has_data", fall_through);
    s.test("writes_never_reach_the_backing_file", base_untouched);
    s.test("zeros_in_an_overlay_hide_data_below", zeros_hide);
    s.test("partial_write_copies_the_rest_of_the_cluster", partial_write);
    s.test("overlay_longer_than_its_backing_file", longer).formats(["qcow2", "qed"]);
    s.test("chain_is_described_from_top_to_bottom", described)
        .formats(["qcow2", "qed"])
        .unsupported_imgopts(["="]);
    s.test("map_tells_the_depth_of_every_range", depths)
        .formats(["qcow2"])
        .unsupported_imgopts(["compat", "cluster_size"]);
    s.test("missing_backing_file", missing).formats(["qcow2", "qed"]);
}

/// An image on `below`, or at the bottom.
fn layer(t: &Test, name: &str, below: Option<&str>, size: &str) -> TestResult<String> {
    let image = t.file(name);
    match below {
        None => t.qemu_img_create(["-f", t.imgfmt(), &image, size])?,
        Some(below) => t.qemu_img_create(["-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), &image])?,
    };
    Ok(image.to_string())
}

fn fall_through(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "4M")?;
    t.write_pattern(&base, 0x01, "0", "3M")?;
    let mid = layer(t, "mid", Some(&base), "")?;
    t.write_pattern(&mid, 0x02, "1M", "2M")?;
    let top = layer(t, "top", Some(&mid), "")?;
    t.write_pattern(&top, 0x03, "2M", "1M")?;
    for (byte, offset) in [(0x01, "0"), (0x02, "1M"), (0x03, "2M"), (0, "3M")] {
        t.verify_pattern(&top, byte, offset, "1M")?;
    }
    Ok(())
}

fn base_untouched(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "2M")?;
    t.write_pattern(&base, 0x11, "0", "2M")?;
    let before = std::fs::read(&base)?;
    let top = layer(t, "top", Some(&base), "")?;
    t.write_pattern(&top, 0x12, "64k", "1M")?;
    t.assert(std::fs::read(&base)? == before, "not one byte of the backing file has changed")
}

fn zeros_hide(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "1M")?;
    t.write_pattern(&base, 0x21, "0", "1M")?;
    let top = layer(t, "top", Some(&base), "")?;
    t.qemu_io(["-c", "write -z 128k 256k", &top])?;
    t.verify_pattern(&top, 0x21, "0", "128k")?;
    t.verify_pattern(&top, 0, "128k", "256k")?;
    t.verify_pattern(&top, 0x21, "384k", "640k")
}

fn partial_write(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "1M")?;
    t.write_pattern(&base, 0x31, "0", "1M")?;
    let top = layer(t, "top", Some(&base), "")?;
    t.write_pattern(&top, 0x32, "130k", "1k")?;
    t.verify_pattern(&top, 0x31, "0", "130k")?;
    t.verify_pattern(&top, 0x32, "130k", "1k")?;
    t.verify_pattern(&top, 0x31, "131k", "893k")
}

fn longer(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "1M")?;
    t.write_pattern(&base, 0x41, "0", "1M")?;
    let top = t.file("top");
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top, "3M"])?;
    t.verify_pattern(&top, 0x41, "0", "1M")?;
    t.verify_pattern(&top, 0, "1M", "2M")?;
    t.write_pattern(&top, 0x42, "1000k", "200k")?;
    t.verify_pattern(&top, 0x41, "0", "1000k")?;
    t.verify_pattern(&top, 0x42, "1000k", "200k")?;
    t.verify_pattern(&top, 0, "1200k", "1M")
}

fn described(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "1M")?;
    let mid = layer(t, "mid", Some(&base), "")?;
    let top = layer(t, "top", Some(&mid), "")?;
    t.img_info_log_with(&top, &InfoLog { extra_args: &["--backing-chain"], ..InfoLog::default() })?;
    Ok(())
}

fn depths(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "4M")?;
    t.write_pattern(&base, 0x51, "0", "2M")?;
    let mid = layer(t, "mid", Some(&base), "")?;
    t.write_pattern(&mid, 0x52, "1M", "1M")?;
    let top = layer(t, "top", Some(&mid), "")?;
    t.qemu_io(["-c", "write -z 1536k 512k", &top])?;
    for range in t.qemu_img_map(["-f", t.imgfmt(), &top])?.as_array().into_iter().flatten() {
        let [start, length, depth, zero, data] =
            ["start", "length", "depth", "zero", "data"].map(|key| range[key].to_string());
        t.log(format!("{start:>7}+{length:<7} depth {depth} zero {zero:<5} data {data}"));
    }
    Ok(())
}

fn missing(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "1M")?;
    let top = layer(t, "top", Some(&base), "")?;
    std::fs::remove_file(&base)?;
    let filters = [t.filter_testfiles(), t.filter_imgfmt(), Filter::qemu_io()];
    let said = t.qemu_io(["-c", "read 0 512", &top]).must_fail()?;
    t.log_with(said.stdout, &filters);
    let another = t.file("another");
    let args = ["create", "-q", "-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &another];
    t.log_with(t.qemu_img(args).must_fail()?.stdout, &filters);
    t.log("Unchecked, with a size of its own:");
    let args = ["create", "-u", "-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &another, "1M"];
    t.log_with(t.qemu_img(args)?.stdout, &filters);
    t.assert(another.as_path().exists(), "the unchecked image is there")
}
