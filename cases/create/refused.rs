//! What qemu-img create refuses, and how it says so.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.unsupported_imgopts(["="]).groups(["create", "quick"]);
    s.test("unknown_format", unknown_format).formats(["raw"]);
    s.test("unknown_option", unknown_option).formats([
        "raw",
        "qcow2",
        "qed",
        "vdi",
        "vhdx",
        "vpc",
        "parallels",
    ]);
    s.test("bad_sizes", bad_sizes).formats(["raw", "qcow2"]);
    s.test("qcow2_options_that_contradict", contradictions).formats(["qcow2"]);
    s.test("backing_file_where_there_can_be_none", no_backing).formats(["raw", "vdi", "vhdx", "vpc"]);
    s.test("backing_file_without_its_format", unnamed_backing_format).formats(["qcow2", "qed"]);
    s.test("failed_create_leaves_no_image", nothing_left).formats(["qcow2", "qed", "vhdx"]);
}

fn unknown_format(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_log(["create", "-f", "nonesuch", &image, "1M"]).must_fail()?;
    t.assert(!image.as_path().exists(), "no image is left")
}

fn unknown_option(t: &mut Test) -> TestResult {
    let image = t.file("image");
    let said = t.qemu_img(["create", "-f", t.imgfmt(), "-o", "nonesuch=on", &image, "1M"]).must_fail()?;
    t.assert(said.stdout.contains("nonesuch"), format!("the option is named in\n{}", said.stdout))
}

fn bad_sizes(t: &mut Test) -> TestResult {
    let image = t.file("image");
    for size in ["", "big", "1x", "-1M", "8E"] {
        let said = t.qemu_img(["create", "-q", "-f", t.imgfmt(), "--", &image, size]).must_fail()?;
        let named = said.stdout.contains("Invalid image size specified");
        t.assert(named, format!("size {size:?} is what is wrong in\n{}", said.stdout))?;
    }
    t.assert(!image.as_path().exists(), "no image is left")
}

fn contradictions(t: &mut Test) -> TestResult {
    let image = t.file("image");
    for options in [
        "cluster_size=1000",
        "cluster_size=256",
        "refcount_bits=7",
        "compat=0.42",
        "compat=0.10,lazy_refcounts=on",
        "compat=0.10,refcount_bits=1",
        "extended_l2=on,cluster_size=8k",
        "data_file_raw=on",
    ] {
        t.log(format!("=== {options} ==="));
        t.qemu_img_log(["create", "-q", "-f", "qcow2", "-o", options, &image, "1M"]).must_fail()?;
    }
    Ok(())
}

fn no_backing(t: &mut Test) -> TestResult {
    let [base, image] = t.files(["base", "image"]);
    t.qemu_img_create(["-f", "raw", &base, "1M"])?;
    let said = t.qemu_img(["create", "-f", t.imgfmt(), "-b", &base, "-F", "raw", &image]).must_fail()?;
    let named = format!("Backing file not supported for file format '{}'", t.imgfmt());
    t.assert(said.stdout.contains(&named), said.stdout)
}

fn unnamed_backing_format(t: &mut Test) -> TestResult {
    let [base, image] = t.files(["base", "image"]);
    t.qemu_img_create(["-f", "raw", &base, "1M"])?;
    let said = t.qemu_img(["create", "-q", "-f", t.imgfmt(), "-b", &base, &image]).must_fail()?;
    // Some versions end the line, some do not.
    t.log_with(said.stdout.trim_end(), &[t.filter_testfiles()]);
    t.assert(!image.as_path().exists(), "no image is left")
}

fn nothing_left(t: &mut Test) -> TestResult {
    let image = t.file("dir/image");
    let said = t.qemu_img(["create", "-f", t.imgfmt(), &image, "1M"]).must_fail()?;
    t.assert(said.stdout.contains("No such file or directory"), said.stdout)
}
