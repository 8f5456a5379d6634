//! Images created with the options of their format say so when asked.
use std::fs::File;
use std::os::unix::fs::FileExt;

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    // The references show every option.
    s.unsupported_imgopts(["="]).groups(["create", "quick"]);
    s.test("qcow2_describes_its_layout", qcow2).formats(["qcow2"]);
    s.test("qed_keeps_its_cluster_size", qed).formats(["qed"]);
    s.test("vdi_may_be_static", vdi).formats(["vdi"]);
    s.test("vmdk_lists_its_extents", vmdk).formats(["vmdk"]);
    s.test("vhdx_keeps_its_block_size", vhdx).formats(["vhdx"]);
    s.test("vpc_keeps_the_exact_size_when_forced", vpc).formats(["vpc"]);
    s.test("parallels_keeps_its_cluster_size", parallels).formats(["parallels"]);
    s.test("options_are_listed_for_every_format", option_names).formats(["generic"]);
}

/// Creates an image for each set of options and logs what it says of itself.
fn create_and_log(t: &Test, size: &str, sets: &[&str]) -> TestResult {
    create_and_log_with(t, size, sets, |_| Ok(()))
}

/// The same, and then what `more` makes of the image, for what qemu-img does not tell.
fn create_and_log_with(t: &Test, size: &str, sets: &[&str], more: impl Fn(&str) -> TestResult) -> TestResult {
    for options in sets {
        t.log(format!("=== {options} ==="));
        let image = t.file("image");
        t.qemu_img_create(["-f", t.imgfmt(), "-o", options, &image, size])?;
        t.img_info_log(&image)?;
        more(&image)?;
    }
    Ok(())
}

fn qcow2(t: &mut Test) -> TestResult {
    create_and_log(
        t,
        "16M",
        &[
            "compat=0.10",
            "compat=1.1,lazy_refcounts=on",
            "cluster_size=4k,refcount_bits=1",
            "cluster_size=128k,extended_l2=on",
            "preallocation=metadata",
        ],
    )
}

fn qed(t: &mut Test) -> TestResult {
    create_and_log(t, "16M", &["cluster_size=4096,table_size=2", "cluster_size=1048576"])
}

fn vdi(t: &mut Test) -> TestResult {
    create_and_log_with(t, "4M", &["static=off", "static=on"], |image| {
        t.log(format!("file of {} bytes", std::fs::metadata(image)?.len()));
        Ok(())
    })
}

fn vmdk(t: &mut Test) -> TestResult {
    create_and_log(
        t,
        "8M",
        &[
            "subformat=monolithicSparse,adapter_type=lsilogic",
            "subformat=twoGbMaxExtentSparse",
            "subformat=streamOptimized",
            "subformat=monolithicFlat,zeroed_grain=off",
        ],
    )
}

fn vhdx(t: &mut Test) -> TestResult {
    create_and_log(t, "16M", &["subformat=dynamic,block_size=1M", "subformat=fixed,log_size=2M"])
}

fn vpc(t: &mut Test) -> TestResult {
    create_and_log(t, "10M", &["subformat=dynamic", "subformat=fixed", "force_size=on"])
}

fn parallels(t: &mut Test) -> TestResult {
    create_and_log_with(t, "16M", &["cluster_size=64k", "cluster_size=1M"], |image| {
        let mut sectors = [0; 4];
        File::open(image)?.read_exact_at(&mut sectors, 28)?;
        t.log(format!("sectors in a cluster: {}", u32::from_le_bytes(sectors)));
        Ok(())
    })
}

/// Every format that can be created takes a size.
fn option_names(t: &mut Test) -> TestResult {
    let help = t.qemu_img(["create", "-f", t.imgfmt(), "-o", "?"])?;
    // A successful create says nothing through this wrapper; convert lists the same options aloud.
    t.assert_eq(help.stdout, String::new())?;
    let listed = t.qemu_img(["convert", "-O", t.imgfmt(), "-o", "?", "in", "out"])?.stdout;
    t.assert(
        listed.lines().any(|line| line.trim_start().starts_with("size=")),
        format!("size is listed in\n{listed}"),
    )
}
