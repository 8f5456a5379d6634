//! Damage done to qcow2 metadata by hand: found, told apart, and repaired.
use std::fs::File;
use std::os::unix::fs::FileExt;

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["="]).groups(["check", "quick"]);
    s.test("clean_image", clean);
    s.test("leaked_cluster", leaked);
    s.test("data_cluster_counted_as_free", freed);
    s.test("copied_flag_that_does_not_hold", copied_flag);
    s.test("offset_that_is_no_multiple_of_a_cluster", unaligned_offset);
    s.test("dirty_image_is_repaired_when_opened_for_writing", dirty);
    s.test("no_refcount_table_at_all", no_refcounts);
    s.test("broken_magic", broken_magic);
}

const CLUSTER: u64 = 65536;

/// An image with four clusters of data, which qcow2 puts right behind its metadata.
fn image(t: &Test, options: &str) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", "-o", options, &image, "16M"])?;
    t.write_pattern(&image, 0x91, "0", "256k")?;
    Ok(image.to_string())
}

fn read_u64(image: &str, at: u64) -> TestResult<u64> {
    let mut bytes = [0; 8];
    File::open(image)?.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_be_bytes(bytes))
}

fn poke(image: &str, at: u64, bytes: &[u8]) -> TestResult {
    Ok(File::options().write(true).open(image)?.write_all_at(bytes, at)?)
}

/// Where the refcount, of 16 bits, of a host cluster is stored.
fn refcount_at(image: &str, cluster: u64) -> TestResult<u64> {
    let table = read_u64(image, 48)?;
    Ok(read_u64(image, table)? + 2 * cluster)
}

/// Where the L2 entry of a guest cluster is stored.
fn l2_entry_at(image: &str, cluster: u64) -> TestResult<u64> {
    let l1 = read_u64(image, 40)?;
    Ok((read_u64(image, l1)? & 0x00ff_ffff_ffff_fe00) + 8 * cluster)
}

fn host_cluster(image: &str, cluster: u64) -> TestResult<u64> {
    Ok((read_u64(image, l2_entry_at(image, cluster)?)? & 0x00ff_ffff_ffff_fe00) / CLUSTER)
}

/// Logs what a check says, and how it ends.
fn check(t: &Test, image: &str, extra: &[&str]) -> TestResult {
    let words = ["check"].iter().chain(extra).copied();
    t.log(format!("== {} ==", words.clone().collect::<Vec<_>>().join(" ")));
    let output = t.qemu_img(words.chain(["-f", "qcow2", image])).unchecked()?;
    t.log_with(output.stdout, &[t.filter_testfiles()]);
    t.log(output.status.to_string());
    Ok(())
}

fn clean(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    check(t, &image, &[])
}

fn leaked(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    let end = std::fs::metadata(&image)?.len().div_ceil(CLUSTER);
    File::options().write(true).open(&image)?.set_len((end + 1) * CLUSTER)?;
    poke(&image, refcount_at(&image, end)?, &[0, 1])?;
    check(t, &image, &[])?;
    check(t, &image, &["-r", "leaks"])?;
    check(t, &image, &[])?;
    t.verify_pattern(&image, 0x91, "0", "256k")
}

fn freed(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    poke(&image, refcount_at(&image, host_cluster(&image, 2)?)?, &[0, 0])?;
    check(t, &image, &[])?;
    check(t, &image, &["-r", "leaks"])?;
    check(t, &image, &["-r", "all"])?;
    check(t, &image, &[])?;
    t.verify_pattern(&image, 0x91, "0", "256k")
}

fn copied_flag(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    let entry = l2_entry_at(&image, 1)?;
    poke(&image, entry, &(read_u64(&image, entry)? & !(1 << 63)).to_be_bytes())?;
    check(t, &image, &[])?;
    check(t, &image, &["-r", "all"])?;
    check(t, &image, &[])?;
    t.verify_pattern(&image, 0x91, "0", "256k")
}

fn unaligned_offset(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    let entry = l2_entry_at(&image, 3)?;
    poke(&image, entry, &(read_u64(&image, entry)? | 0x2000).to_be_bytes())?;
    check(t, &image, &[])
}

fn dirty(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1,lazy_refcounts=on")?;
    // Bit 0 of the incompatible features: refcounts may be out of date.
    poke(&image, 72, &1u64.to_be_bytes())?;
    poke(&image, refcount_at(&image, host_cluster(&image, 0)?)?, &[0, 0])?;
    let flags = |image: &str| read_u64(image, 72);
    t.verify_pattern(&image, 0x91, "0", "256k")?;
    t.assert_eq(flags(&image)?, 1)?;
    t.write_pattern(&image, 0x92, "1M", "64k")?;
    check(t, &image, &[])?;
    t.assert_eq(flags(&image)?, 0)?;
    t.verify_pattern(&image, 0x91, "0", "256k")
}

fn no_refcounts(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    let table = read_u64(&image, 48)?;
    poke(&image, table, &[0; 8])?;
    let found = t.qemu_img_check(["-f", "qcow2", &image])?;
    t.assert(
        found["corruptions"].as_u64() > Some(0),
        format!("the clusters in use are missed in\n{found:#}"),
    )?;
    let output = t.qemu_img(["check", "-f", "qcow2", "-r", "all", &image])?;
    t.assert_eq(output.status, Status::Exited(0))?;
    check(t, &image, &[])?;
    t.verify_pattern(&image, 0x91, "0", "256k")
}

fn broken_magic(t: &mut Test) -> TestResult {
    let image = image(t, "compat=1.1")?;
    poke(&image, 0, b"NOPE")?;
    check(t, &image, &[])
}
