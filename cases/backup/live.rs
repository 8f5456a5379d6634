//! A running disk copied as it was at one moment, however it changes meanwhile.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["backup", "jobs", "quick"]);
    s.test("whole_content_at_one_moment", full).formats([
        "raw",
        "qcow2",
        "qed",
        "vdi",
        "vmdk",
        "vhdx",
        "parallels",
    ]);
    s.test("top_layer_alone", top);
    s.test("old_data_is_saved_before_it_is_overwritten", none)
        .formats(["raw", "qcow2", "qed"])
        .unsupported_imgopts(["cluster_size"]);
    s.test("compressed", compressed).formats(["qcow2"]);
    s.test("onto_a_node_finalized_by_hand", by_node).formats(["raw", "qcow2", "qed", "vdi"]);
    s.test("two_drives_at_one_moment", transaction).formats(["qcow2"]);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]);
}

fn image(t: &Test, name: &str, byte: u8) -> TestResult<String> {
    let image = t.file(name);
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    t.write_pattern(&image, byte, "0", "2M")?;
    Ok(image.to_string())
}

fn full(t: &mut Test) -> TestResult {
    let source = image(t, "source", 0x01)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    let filters = [t.filter_testfiles(), t.filter_imgfmt()];
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": target, "format": t.imgfmt(), "sync": "full",
        "auto-dismiss": false,
    });
    vm.qmp_log_with("drive-backup", arguments, &filters, None)?;
    vm.run_job("job0", RunJob::new().filters(filters))?;
    vm.write_pattern("drive0", 0x02, "0", "64k")?;
    vm.shutdown()?;
    t.verify_pattern(&source, 0x02, "0", "64k")?;
    t.verify_pattern(&target, 0x01, "0", "2M")?;
    t.verify_pattern(&target, 0, "2M", "2M")
}

fn top(t: &mut Test) -> TestResult {
    let base = image(t, "base", 0x03)?;
    let [source, target] = t.files(["source", "target"]);
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &source])?;
    t.write_pattern(&source, 0x04, "1M", "512k")?;
    let mut vm = t.vm().drive(&source).launch()?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": target, "format": t.imgfmt(), "sync": "top",
    });
    vm.cmd("drive-backup", arguments)?;
    vm.wait_until_completed("job0")?;
    vm.shutdown()?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &target])?;
    t.assert_qmp(&info, "backing-filename", base.as_str())?;
    t.verify_pattern(&target, 0x04, "1M", "512k")?;
    t.verify_pattern(&target, 0x03, "0", "1M")
}

fn none(t: &mut Test) -> TestResult {
    let source = image(t, "source", 0x05)?;
    let target = t.file("target");
    t.qemu_img_create(["-f", t.imgfmt(), &target, "4M"])?;
    let mut vm = t.vm().drive(&source).launch()?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": target, "format": t.imgfmt(), "sync": "none",
        "mode": "existing",
    });
    vm.cmd("drive-backup", arguments)?;
    vm.write_pattern("drive0", 0x06, "1M", "64k")?;
    let end = vm.cancel_and_wait("job0")?;
    t.assert_qmp(&end, "event", "BLOCK_JOB_CANCELLED")?;
    vm.shutdown()?;
    t.verify_pattern(&source, 0x06, "1M", "64k")?;
    t.verify_pattern(&target, 0x05, "1M", "64k")?;
    t.verify_pattern(&target, 0, "0", "1M")
}

fn compressed(t: &mut Test) -> TestResult {
    let source = image(t, "source", 0x07)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": target, "format": "qcow2", "sync": "full",
        "compress": true,
    });
    vm.cmd("drive-backup", arguments)?;
    vm.wait_until_completed("job0")?;
    vm.shutdown()?;
    let check = t.qemu_img_check(["-f", "qcow2", &target])?;
    t.assert(
        check["compressed-clusters"].as_u64() > Some(0),
        format!("clusters are compressed in\n{check:#}"),
    )?;
    t.assert(t.compare_images(&source, &target)?, "the target has the content of its source")
}

fn by_node(t: &mut Test) -> TestResult {
    let source = image(t, "source", 0x08)?;
    let target = t.file("target");
    t.qemu_img_create(["-f", t.imgfmt(), &target, "4M"])?;
    let node = json!({
        "driver": t.imgfmt(), "node-name": "target", "file": { "driver": "file", "filename": target },
    });
    let mut vm = t.vm().drive(&source).blockdev(node).launch()?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": "target", "sync": "full",
        "auto-finalize": false, "auto-dismiss": false,
    });
    vm.qmp_log("blockdev-backup", arguments)?;
    let write = |vm: &mut Vm| {
        vm.write_pattern("drive0", 0x09, "0", "64k")?;
        Ok(())
    };
    vm.run_job("job0", RunJob::new().manual_finalize().pre_finalize(write))?;
    vm.shutdown()?;
    t.verify_pattern(&source, 0x09, "0", "64k")?;
    t.verify_pattern(&target, 0x08, "0", "2M")
}

fn transaction(t: &mut Test) -> TestResult {
    let (first, second) = (image(t, "first", 0x0a)?, image(t, "second", 0x0b)?);
    let targets = t.files(["target0", "target1"]);
    let mut vm = t.vm().drive(&first).drive(&second).launch()?;
    let action = |index: usize| {
        let data = json!({
            "job-id": format!("job{index}"), "device": format!("drive{index}"), "target": targets[index],
            "format": "qcow2", "sync": "full",
        });
        json!({ "type": "drive-backup", "data": data })
    };
    vm.cmd("transaction", json!({ "actions": [action(0), action(1)] }))?;
    for drive in ["drive0", "drive1"] {
        vm.write_pattern(drive, 0x0c, "0", "64k")?;
    }
    for job in ["job0", "job1"] {
        let end = vm.event_wait(EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": job })))?;
        t.assert_qmp_absent(&end, "data/error")?;
    }
    vm.shutdown()?;
    t.verify_pattern(&targets[0], 0x0a, "0", "2M")?;
    t.verify_pattern(&targets[1], 0x0b, "0", "2M")
}

fn mistakes(t: &mut Test) -> TestResult {
    let source = image(t, "source", 0x0d)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).drive_with(Drive::empty().interface("none")).launch()?;
    for arguments in [
        json!({ "device": "nonesuch", "target": target, "sync": "full" }),
        json!({ "device": "drive1", "target": target, "sync": "full" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "mode": "existing" }),
        json!({ "device": "drive0", "target": target, "sync": "incremental" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "bitmap": "nonesuch" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "format": "nonesuch" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "speed": -1 }),
    ] {
        vm.qmp_log("drive-backup", arguments)?;
    }
    Ok(vm.shutdown()?)
}
