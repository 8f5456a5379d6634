//! A backup is of the moment it was started at, whatever is written meanwhile.
use iotests::image::create_image;
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backup", "quick"]);
    let mut overlay = s.fixture("overlay", overlay);
    overlay.test("top_layer", top_layer);
    overlay.test("only_what_is_overwritten", only_what_is_overwritten);
    s.test("overlapping_writes", overlapping_writes);
    s.test("write_held_before_the_copy", write_held_before_the_copy);
}

struct Drive0 {
    image: ScratchFile,
    target: ScratchFile,
    vm: Vm,
}

/// A drive over a backing file, with some data of its own.
fn overlay(t: &mut Test) -> TestResult<Drive0> {
    let [backing, image, target] = t.files(["backing", "image", "target"]);
    create_image(&backing, 8 << 20)?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &backing, "-F", "raw", &image])?;
    for (byte, offset, length) in [(0x41, "0", "512"), (0xd5, "1M", "32k"), (0xdc, "8128k", "64k")] {
        t.write_pattern(&image, byte, offset, length)?;
    }
    let vm = t.vm().drive(&image).launch()?;
    Ok(Drive0 { image, target, vm })
}

fn top_layer(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let arguments =
        json!({ "device": "drive0", "sync": "top", "format": t.imgfmt(), "target": drive.target });
    drive.vm.cmd("drive-backup", arguments)?;
    drive.vm.wait_until_completed_with("drive0", Completion::new().any_offset())?;
    drive.vm.shutdown()?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &drive.target])?;
    t.assert(info["backing-filename"].is_string(), "the copy is over the same backing file")?;
    let same = t.compare_images(&drive.image, &drive.target)?;
    t.assert(same, "the target is a copy of the drive")
}

/// Such a backup has no end of its own: it keeps what is about to be overwritten.
fn only_what_is_overwritten(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.vm.cmd("drive-backup", json!({ "device": "drive0", "sync": "none", "target": drive.target }))?;
    drive.vm.write_pattern("drive0", 0x5e, "0", "512")?;
    let event = drive.vm.cancel_and_wait("drive0")?;
    t.assert_qmp(&event, "data/type", "backup")?;
    drive.vm.shutdown()?;
    t.verify_pattern(&drive.image, 0x5e, "0", "512")?;
    // Detached from its source, it has nothing else.
    t.qemu_img(["rebase", "-u", "-f", t.imgfmt(), "-b", "", &drive.target])?;
    t.verify_pattern(&drive.target, 0x41, "0", "512")?;
    t.verify_pattern(&drive.target, 0, "1M", "32k")
}

/// The job copies around what a write made it copy before, and not that again.
fn overlapping_writes(t: &mut Test) -> TestResult {
    let [image, target, reference] = t.files(["image", "target", "reference"]);
    t.qemu_img_create(["-f", t.imgfmt(), &image, "8M"])?;
    t.write_pattern(&image, 42, "0", "2M")?;
    let mut vm = t.vm().drive(&image).launch()?;
    let backup = Args::from(json!({ "device": "drive0", "sync": "full", "format": t.imgfmt() }));
    vm.cmd("drive-backup", backup.clone().with(json!({ "target": reference })))?;
    vm.wait_until_completed("drive0")?;

    vm.cmd("drive-backup", backup.with(json!({ "target": target, "speed": 1 })))?;
    vm.write_pattern("drive0", 23, "1088k", "64k")?;
    vm.write_pattern("drive0", 66, "1M", "1M")?;
    vm.cmd("block-job-set-speed", json!({ "device": "drive0", "speed": 0 }))?;
    vm.wait_until_completed("drive0")?;
    vm.shutdown()?;
    t.verify_pattern(&image, 66, "1M", "1M")?;
    t.assert(t.compare_images(&reference, &target)?, "the target is the drive as it was at first")
}

/// A write that is smaller than a block waits for the rest of it, and for the copy of the old data.
fn write_held_before_the_copy(t: &mut Test) -> TestResult {
    let drive = "file=blkdebug::null-co://,id=drive0,align=65536,driver=blkdebug";
    let mut vm = t.vm().drive_raw(drive).launch()?;
    vm.pause_drive("drive0")?;
    let target = t.file("target");
    vm.cmd(
        "drive-backup",
        json!({ "device": "drive0", "sync": "full", "target": target, "format": "raw", "speed": 1 }),
    )?;
    vm.cmd("block-job-pause", json!({ "device": "drive0" }))?;
    vm.drive_io("drive0", "aio_write -P 1 512512 512")?;
    vm.resume_drive("drive0")?;
    vm.cmd("block-job-resume", json!({ "device": "drive0" }))?;
    let event = vm.cancel_and_wait("drive0")?;
    t.assert_qmp(&event, "data/type", "backup")
}
