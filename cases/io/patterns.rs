//! What is written to an image is what is read from it, to the byte.
use iotests::prelude::*;

const FORMATS: [&str; 8] = ["raw", "qcow2", "qed", "vdi", "vmdk", "vhdx", "vpc", "parallels"];

pub fn suite(s: &mut Suite) {
    s.formats(FORMATS).groups(["rw", "quick"]);
    s.test("patterns_come_back_after_reopening", reopened);
    s.test("neighbours_of_an_unaligned_write_stay_zero", unaligned);
    s.test("overwriting_keeps_the_rest", overwritten);
    s.test("writing_zeros_clears_data", zeros);
    s.test("vectors_of_buffers", vectors);
    s.test("requests_in_flight_together", asynchronous);
    s.test("access_beyond_the_end_fails", beyond_the_end);
    s.test("read_only_images_refuse_writes", read_only);
    s.test("discarded_clusters_read_as_zeros", discard)
        .formats(["qcow2"])
        .unsupported_imgopts(["compat", "cluster_size"]);
    s.test("compressed_clusters_read_as_written", compressed)
        .formats(["qcow2"])
        .unsupported_imgopts(["cluster_size"]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "16M"])?;
    Ok(image.to_string())
}

fn reopened(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let written = [(0x11, "0", "512"), (0x22, "60k", "8k"), (0x33, "1M", "2M"), (0x44, "12M", "1M")];
    for (byte, offset, length) in written {
        t.write_pattern(&image, byte, offset, length)?;
    }
    for (byte, offset, length) in written {
        t.verify_pattern(&image, byte, offset, length)?;
    }
    t.verify_pattern(&image, 0, "68k", "956k")?;
    t.verify_pattern(&image, 0, "3M", "9M")
}

fn unaligned(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.write_pattern(&image, 0x55, "65000", "1073")?;
    t.verify_pattern(&image, 0, "0", "65000")?;
    t.verify_pattern(&image, 0x55, "65000", "1073")?;
    t.verify_pattern(&image, 0, "66073", "65536")
}

fn overwritten(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.write_pattern(&image, 0x66, "0", "256k")?;
    t.write_pattern(&image, 0x67, "100k", "3k")?;
    t.verify_pattern(&image, 0x66, "0", "100k")?;
    t.verify_pattern(&image, 0x67, "100k", "3k")?;
    t.verify_pattern(&image, 0x66, "103k", "153k")
}

fn zeros(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.write_pattern(&image, 0x77, "0", "1M")?;
    t.qemu_io(["-c", "write -z 64k 512k", "-c", "write -z -u 700k 10k", &image])?;
    t.verify_pattern(&image, 0x77, "0", "64k")?;
    t.verify_pattern(&image, 0, "64k", "512k")?;
    t.verify_pattern(&image, 0x77, "576k", "124k")?;
    t.verify_pattern(&image, 0, "700k", "10k")?;
    t.verify_pattern(&image, 0x77, "710k", "314k")
}

fn vectors(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.qemu_io(["-c", "writev -P 0x88 96k 4k 512 31k 512", &image])?;
    let said = t.qemu_io(["-c", "readv -P 0x88 96k 1k 35k", "-c", "readv -P 0 132k 512 512", &image])?.stdout;
    t.assert(!said.contains("Pattern verification failed"), said)
}

fn asynchronous(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.qemu_io([
        "-c",
        "aio_write -P 0x91 0 1M",
        "-c",
        "aio_write -P 0x92 1M 1M",
        "-c",
        "aio_write -z 2M 1M",
        "-c",
        "aio_write -P 0x93 3M 1M",
        "-c",
        "aio_flush",
        &image,
    ])?;
    for (byte, offset) in [(0x91, "0"), (0x92, "1M"), (0, "2M"), (0x93, "3M")] {
        t.verify_pattern(&image, byte, offset, "1M")?;
    }
    Ok(())
}

fn beyond_the_end(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let size = t.image_size(&image)?;
    for command in [format!("write -P 1 {size} 512"), format!("read {} 1k", size - 512)] {
        let said = t.qemu_io(["-c", &command, &image]).must_fail()?;
        t.assert(said.stdout.contains("Input/output error"), said.stdout)?;
    }
    t.assert_eq(t.image_size(&image)?, size)
}

fn read_only(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let said = t.qemu_io(["-r", "-c", "write -P 0x99 0 64k", &image]).must_fail()?;
    t.assert(said.stdout.contains("Block node is read-only"), said.stdout)?;
    t.verify_pattern(&image, 0, "0", "64k")
}

fn discard(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.write_pattern(&image, 0xaa, "0", "1M")?;
    t.qemu_io(["-d", "unmap", "-c", "discard 256k 512k", &image])?;
    t.verify_pattern(&image, 0xaa, "0", "256k")?;
    t.verify_pattern(&image, 0, "256k", "512k")?;
    t.verify_pattern(&image, 0xaa, "768k", "256k")
}

fn compressed(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.qemu_io(["-c", "write -c -P 0xbb 0 64k", "-c", "write -c -P 0xbc 64k 64k", &image])?;
    // Writing into a compressed cluster unpacks it.
    t.write_pattern(&image, 0xbd, "32k", "4k")?;
    t.verify_pattern(&image, 0xbb, "0", "32k")?;
    t.verify_pattern(&image, 0xbd, "32k", "4k")?;
    t.verify_pattern(&image, 0xbb, "36k", "28k")?;
    t.verify_pattern(&image, 0xbc, "64k", "64k")?;
    t.check_clean(&image)
}
