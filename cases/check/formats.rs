//! qemu-img check on formats other than qcow2: what each can find.
use std::fs::File;
use std::os::unix::fs::FileExt;

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["check", "quick"]);
    s.test("clean_after_writing", clean).formats(["qcow2", "qed", "vdi", "vmdk", "vhdx", "parallels"]);
    s.test("file_of_another_format", wrong_format).formats([
        "qcow2",
        "qed",
        "vdi",
        "vmdk",
        "vhdx",
        "parallels",
    ]);
    s.test("qed_that_was_not_closed", qed_open).formats(["qed"]);
    s.test("parallels_that_was_not_closed", parallels_open)
        .formats(["parallels"])
        .ignores_stderr("image was not closed correctly", "that is what is wrong with it");
    s.test("vdi_block_that_lies_outside", vdi_block).formats(["vdi"]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "16M"])?;
    t.write_pattern(&image, 0x95, "0", "3M")?;
    Ok(image.to_string())
}

fn peek<const N: usize>(image: &str, at: u64) -> TestResult<[u8; N]> {
    let mut bytes = [0; N];
    File::open(image)?.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn poke(image: &str, at: u64, bytes: &[u8]) -> TestResult {
    Ok(File::options().write(true).open(image)?.write_all_at(bytes, at)?)
}

fn clean(t: &mut Test) -> TestResult {
    let image = image(t)?;
    t.check_clean(&image)
}

fn wrong_format(t: &mut Test) -> TestResult {
    let image = t.file("image");
    std::fs::write(&image, vec![0x20; 1 << 16])?;
    let output = t.qemu_img(["check", "-f", t.imgfmt(), &image]).must_fail()?;
    t.assert_eq(output.status, Status::Exited(1))?;
    t.assert(output.stdout.contains("Could not open"), output.stdout)
}

fn qed_open(t: &mut Test) -> TestResult {
    let image = image(t)?;
    // Bit 1 of the features at byte 16: a check is due.
    poke(&image, 16, &2u64.to_le_bytes())?;
    t.verify_pattern(&image, 0x95, "0", "3M")?;
    t.assert_eq(peek::<1>(&image, 16)?, [2])?;
    t.write_pattern(&image, 0x96, "8M", "64k")?;
    t.assert_eq(peek::<1>(&image, 16)?, [0])?;
    t.verify_pattern(&image, 0x95, "0", "3M")?;
    t.verify_pattern(&image, 0x96, "8M", "64k")
}

fn parallels_open(t: &mut Test) -> TestResult {
    let image = image(t)?;
    // The header says by this word that the image is in use.
    poke(&image, 44, &0x746f_6e59u32.to_le_bytes())?;
    let found = t.qemu_img_check(["-f", "parallels", &image])?;
    t.assert_qmp(&found, "corruptions", 1)?;
    let fixed = t.qemu_img_check(["-f", "parallels", "-r", "all", &image])?;
    t.assert_qmp(&fixed, "corruptions-fixed", 1)?;
    t.check_clean(&image)?;
    t.verify_pattern(&image, 0x95, "0", "3M")
}

fn vdi_block(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let map = u64::from(u32::from_le_bytes(peek(&image, 0x154)?));
    poke(&image, map + 8, &0x1000_0000u32.to_le_bytes())?;
    let output = t.qemu_img(["check", "-f", "vdi", &image]).must_fail()?;
    t.assert_eq(output.status, Status::Exited(2))?;
    t.log_with(output.stdout, &[t.filter_testfiles()]);
    Ok(())
}
