//! What qemu-img convert can do besides copying: parts of a chain, snapshots, compression, salvage.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["convert", "quick"]);
    s.test("overlay_is_flattened", flattened).formats(["qcow2", "qed", "vmdk"]);
    s.test("backing_file_is_kept_when_named", kept_backing)
        .formats(["qcow2", "qed"])
        .unsupported_imgopts(["cluster_size"]);
    s.test("snapshot_is_picked_by_name_and_id", snapshot)
        .formats(["qcow2"])
        .unsupported_imgopts(["refcount_bits=1"]);
    s.test("compressed_copy_is_smaller_and_equal", compressed)
        .formats(["qcow2"])
        .unsupported_imgopts(["compression_type"]);
    s.test("stream_optimized_vmdk", stream_optimized).formats(["vmdk"]);
    s.test("bitmaps_travel_with_the_copy", bitmaps).formats(["qcow2"]).unsupported_imgopts(["compat"]);
    s.test("read_errors_become_zeros_when_salvaging", salvage).formats(["qcow2"]).ignores_stderr(
        "warning: error while reading",
        "the error is injected, and salvaging passes over it",
    );
    s.test("several_sources_are_joined", joined).formats(["raw", "qcow2"]);
    s.test("target_is_known_to_be_zero", target_is_zero).formats(["qcow2"]);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]).unsupported_imgopts(["compat"]);
}

fn flattened(t: &mut Test) -> TestResult {
    let [base, top, flat] = t.files(["base", "top", "flat"]);
    t.qemu_img_create(["-f", t.imgfmt(), &base, "2M"])?;
    t.write_pattern(&base, 0x01, "0", "2M")?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top])?;
    t.write_pattern(&top, 0x02, "1M", "512k")?;
    t.qemu_img(["convert", "-f", t.imgfmt(), "-O", t.imgfmt(), &top, &flat])?;
    t.assert_qmp_absent(&t.qemu_img_info(["-f", t.imgfmt(), &flat])?, "backing-filename")?;
    std::fs::remove_file(&base)?;
    t.verify_pattern(&flat, 0x01, "0", "1M")?;
    t.verify_pattern(&flat, 0x02, "1M", "512k")?;
    t.verify_pattern(&flat, 0x01, "1536k", "512k")
}

fn kept_backing(t: &mut Test) -> TestResult {
    let [base, top, copy] = t.files(["base", "top", "copy"]);
    t.qemu_img_create(["-f", t.imgfmt(), &base, "2M"])?;
    t.write_pattern(&base, 0x03, "0", "2M")?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top])?;
    t.write_pattern(&top, 0x04, "1M", "64k")?;
    t.qemu_img(["convert", "-f", t.imgfmt(), "-O", t.imgfmt(), "-B", &base, "-F", t.imgfmt(), &top, &copy])?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &copy])?;
    t.assert_qmp(&info, "backing-filename", base.as_str())?;
    t.assert(t.compare_images(&top, &copy)?, "the copy is equal to its source")?;
    // All but 64 KiB is left to the backing file.
    t.write_pattern(&base, 0x05, "0", "1M")?;
    t.verify_pattern(&copy, 0x05, "0", "1M")
}

fn snapshot(t: &mut Test) -> TestResult {
    let [image, copy] = t.files(["image", "copy"]);
    t.qemu_img_create(["-f", "qcow2", &image, "1M"])?;
    for (byte, name) in [(0x06, "first"), (0x07, "second")] {
        t.write_pattern(&image, byte, "0", "1M")?;
        t.qemu_img(["snapshot", "-c", name, &image])?;
    }
    t.write_pattern(&image, 0x08, "0", "1M")?;
    for (picked, byte) in [("snapshot.name=first", 0x06), ("snapshot.id=2", 0x07)] {
        t.qemu_img(["convert", "-f", "qcow2", "-l", picked, "-O", "qcow2", &image, &copy])?;
        t.verify_pattern(&copy, byte, "0", "1M")?;
    }
    t.qemu_img_log(["convert", "-f", "qcow2", "-l", "snapshot.name=third", "-O", "qcow2", &image, &copy])
        .must_fail()?;
    Ok(())
}

fn compressed(t: &mut Test) -> TestResult {
    let [source, copy] = t.files(["source", "copy"]);
    t.qemu_img_create(["-f", "raw", &source, "4M"])?;
    t.write_pattern_as(&source, "raw", 0x09, "0", "3M")?;
    t.qemu_img(["convert", "-c", "-f", "raw", "-O", "qcow2", &source, &copy])?;
    t.assert(t.compare_images_as(&source, "raw", &copy, "qcow2")?, "the copy is equal to its source")?;
    let check = t.qemu_img_check(["-f", "qcow2", &copy])?;
    t.assert_qmp(&check, "compressed-clusters", 48)?;
    let length = std::fs::metadata(&copy)?.len();
    t.assert(length < 1 << 20, format!("3 MiB of one byte take {length} bytes"))
}

fn stream_optimized(t: &mut Test) -> TestResult {
    let [source, copy] = t.files(["source", "copy"]);
    t.qemu_img_create(["-f", "raw", &source, "4M"])?;
    t.write_pattern_as(&source, "raw", 0x0a, "1M", "2M")?;
    t.qemu_img([
        "convert",
        "-c",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
        &source,
        &copy,
    ])?;
    t.assert(t.compare_images_as(&source, "raw", &copy, "vmdk")?, "the copy is equal to its source")?;
    let info = t.qemu_img_info(["-f", "vmdk", &copy])?;
    t.assert_qmp(&info, "format-specific/data/create-type", "streamOptimized")?;
    t.assert_qmp(&info, "format-specific/data/extents[0]/compressed", true)
}

fn bitmaps(t: &mut Test) -> TestResult {
    let [image, copy] = t.files(["image", "copy"]);
    t.qemu_img_create(["-f", "qcow2", &image, "1M"])?;
    t.write_pattern(&image, 0x10, "256k", "64k")?;
    t.qemu_img(["bitmap", "--add", "-g", "32k", &image, "b0"])?;
    t.qemu_img(["bitmap", "--add", "--disable", &image, "b1"])?;
    t.qemu_img(["convert", "--bitmaps", "-f", "qcow2", "-O", "qcow2", &image, &copy])?;
    let bitmaps = |image: &str| {
        t.qemu_img_info(["-f", "qcow2", image]).map(|info| info["format-specific"]["data"]["bitmaps"].clone())
    };
    t.assert_eq(bitmaps(&copy)?, bitmaps(&image)?)?;
    t.assert(t.compare_images(&image, &copy)?, "the data travels as well")
}

fn salvage(t: &mut Test) -> TestResult {
    let [source, rules, copy] = t.files(["source", "rules", "copy"]);
    t.qemu_img_create(["-f", "raw", &source, "1M"])?;
    t.write_pattern_as(&source, "raw", 0x0b, "0", "1M")?;
    std::fs::write(&rules, "[inject-error]\nevent = \"none\"\niotype = \"read\"\nsector = \"1024\"\n")?;
    let broken = format!("driver=blkdebug,config={rules},image.driver=file,image.filename={source}");
    let args = |extra: Option<&'static str>| {
        let mut args = vec!["convert"];
        args.extend(extra);
        args.extend(["--image-opts", "-O", "qcow2", &broken, &copy]);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let said = t.qemu_img(args(None)).must_fail()?;
    t.assert(said.stdout.contains("error while reading at byte"), said.stdout)?;
    t.qemu_img(args(Some("--salvage")))?;
    t.verify_pattern(&copy, 0x0b, "0", "512k")?;
    t.verify_pattern(&copy, 0, "512k", "512")?;
    t.verify_pattern(&copy, 0x0b, "513k", "511k")
}

fn joined(t: &mut Test) -> TestResult {
    let [first, second, both] = t.files(["first", "second", "both"]);
    for (image, byte, size) in [(&first, 0x0c, "1M"), (&second, 0x0d, "2M")] {
        t.qemu_img_create(["-f", t.imgfmt(), image, size])?;
        t.write_pattern(image, byte, "0", size)?;
    }
    t.qemu_img(["convert", "-f", t.imgfmt(), "-O", t.imgfmt(), &first, &second, &both])?;
    t.assert_eq(t.image_size(&both)?, 3 << 20)?;
    t.verify_pattern(&both, 0x0c, "0", "1M")?;
    t.verify_pattern(&both, 0x0d, "1M", "2M")
}

fn target_is_zero(t: &mut Test) -> TestResult {
    let [source, target] = t.files(["source", "target"]);
    t.qemu_img_create(["-f", "raw", &source, "2M"])?;
    t.write_pattern_as(&source, "raw", 0x0e, "1M", "64k")?;
    t.qemu_img_create(["-f", "qcow2", &target, "2M"])?;
    // A lie, which shows that what is said to be zero is not written.
    t.write_pattern(&target, 0x0f, "0", "64k")?;
    t.qemu_img(["convert", "-n", "--target-is-zero", "-f", "raw", "-O", "qcow2", &source, &target])?;
    t.verify_pattern(&target, 0x0f, "0", "64k")?;
    t.verify_pattern(&target, 0x0e, "1M", "64k")
}

fn mistakes(t: &mut Test) -> TestResult {
    let [image, copy] = t.files(["image", "copy"]);
    t.qemu_img_create(["-f", "qcow2", &image, "1M"])?;
    for args in [
        vec!["-O", "nonesuch"],
        vec!["-O", "qcow2", "--target-is-zero"],
        vec!["-O", "raw", "-c"],
        vec!["-O", "qcow2", "-S", "1000"],
        vec!["-O", "raw", "--bitmaps"],
    ] {
        t.log(format!("=== {} ===", args.join(" ")));
        let all = ["convert", "-f", "qcow2"].into_iter().chain(args).chain([image.as_str(), &copy]);
        t.qemu_img_log(all).must_fail()?;
    }
    Ok(())
}
