//! qemu-io commands on the drives of a running VM, by the names a drive can have.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2", "vdi"]).groups(["vm", "quick"]);
    s.test("by_drive_node_and_device", by_name).requires(Requirement::VirtioScsi);
    s.test("commands_and_replies_in_the_log", logged);
    s.test("wrong_names_and_commands", mistakes);
    // Other formats tell blkdebug nothing of their requests.
    s.test("held_write_goes_on_when_let_go", held_write).formats(["raw", "qcow2"]);
    s.test("held_job_goes_on_when_let_go", held_job).formats(["raw", "qcow2"]);
}

fn image(t: &Test, name: &str) -> TestResult<String> {
    let image = t.file(name);
    t.qemu_img_create(["-f", t.imgfmt(), &image, "2M"])?;
    Ok(image.to_string())
}

fn by_name(t: &mut Test) -> TestResult {
    let [drive, node, device] = [image(t, "drive")?, image(t, "node")?, image(t, "device")?];
    let blockdev = |name: &str, image: &str| json!({ "driver": t.imgfmt(), "node-name": name, "file": { "driver": "file", "filename": image } });
    let mut vm = t
        .vm()
        .drive(&drive)
        .blockdev(blockdev("node", &node))
        .blockdev(blockdev("plugged", &device))
        .device("virtio-scsi")
        .device("scsi-hd,id=hd0,drive=plugged")
        .launch()?;
    vm.drive_io("drive0", "write -P 0x01 0 64k")?;
    vm.drive_io("node", "write -P 0x02 0 64k")?;
    vm.drive_io(IoTarget::Device("hd0"), "write -P 0x03 0 64k")?;
    vm.shutdown()?;
    for (image, byte) in [(drive, 0x01), (node, 0x02), (device, 0x03)] {
        t.verify_pattern(&image, byte, "0", "64k")?;
    }
    Ok(())
}

fn logged(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut vm = t.vm().drive(&image).launch()?;
    vm.hmp_qemu_io_log("drive0", "write -P 0x04 64k 64k")?;
    vm.hmp_qemu_io_log("drive0", "read -P 0x05 64k 512")?;
    vm.shutdown()?;
    t.log("QEMU printed:");
    t.log_with(vm.get_log().unwrap_or_default(), &[Filter::qtest(), Filter::qemu_io()]);
    Ok(())
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut vm = t.vm().drive(&image).launch()?;
    for command in ["qemu-io nonesuch \"read 0 512\"", "qemu-io -d nonesuch \"read 0 512\"", "nonesuch"] {
        vm.hmp_log(command)?;
    }
    for (drive, command, why) in [
        ("nonesuch", "read 0 512", "node-name='nonesuch'"),
        ("drive0", "write -P 1 100M 512", "write failed: Input/output error"),
        ("drive0", "read -P 1 0 512", "Pattern verification failed at offset 0, 512 bytes"),
        ("drive0", "read 0", "bad argument count 1 to read"),
        ("drive0", "read 0 x", "Parsing error: non-numeric argument"),
        ("drive0", "nonesuch", "command \"nonesuch\" not found"),
    ] {
        match vm.drive_io(drive, command) {
            Err(Error::Assertion(told)) => {
                let expected = told.starts_with(&format!("qemu-io {drive} \"{command}\" failed:\n"));
                t.assert(expected && told.contains(why), told)?;
            }
            other => t.assert(false, format!("{command} fails: {other:?}"))?,
        }
    }
    // This one has no blkdebug node to hold it at.
    t.assert(vm.pause_drive("drive0").is_err(), "a drive that cannot be held is an error")?;
    t.assert(vm.resume_drive("nonesuch").is_err(), "a drive that is not there is an error")?;
    Ok(vm.shutdown()?)
}

fn held_write(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut vm = t.vm().drive(format!("blkdebug::{image}")).launch()?;
    vm.pause_drive_at("drive0", "write_aio")?;
    vm.drive_io("drive0", "aio_write -P 0x06 0 64k")?;
    let held = vm.drive_io("drive0", "wait_break bp_drive0")?;
    t.assert(!held.contains("wrote"), "the write is held")?;
    vm.resume_drive("drive0")?;
    vm.drive_io("drive0", "aio_flush")?;
    t.assert(vm.get_log().unwrap_or_default().contains("wrote 65536/65536"), "the write is done")?;
    vm.shutdown()?;
    t.verify_pattern(&image, 0x06, "0", "64k")
}

fn held_job(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    t.write_pattern(&image, 0x07, "0", "2M")?;
    let target = t.file("target");
    let mut vm = t.vm().drive(format!("blkdebug::{image}")).launch()?;
    vm.pause_drive("drive0")?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": target, "format": t.imgfmt(), "sync": "full",
    });
    vm.cmd("drive-backup", arguments)?;
    vm.drive_io("drive0", "wait_break bp_drive0")?;
    let jobs = vm.query("query-block-jobs")?;
    let entry = t.dictpath(&jobs, "return[0]")?;
    t.assert(entry["offset"].as_u64() < entry["len"].as_u64(), "one of its reads is held")?;
    vm.resume_drive("drive0")?;
    vm.wait_until_completed("job0")?;
    vm.shutdown()?;
    t.assert(t.compare_images(&image, &target)?, "the copy is whole")
}
