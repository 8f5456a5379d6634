//! A running disk copied to another image, and the VM moved over to it.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["mirror", "jobs", "quick"]);
    s.test("whole_content_to_a_new_image", full).formats([
        "raw",
        "qcow2",
        "qed",
        "vdi",
        "vmdk",
        "vhdx",
        "parallels",
    ]);
    s.test("top_layer_alone", top);
    s.test("only_what_is_written_from_now_on", none);
    s.test("ready_mirror_given_up_leaves_a_copy", given_up).formats(["raw", "qcow2", "qed", "vdi"]);
    s.test("onto_a_node", by_node).formats(["raw", "qcow2", "qed", "vdi"]);
    s.test("writes_while_ready_reach_the_copy", writes_while_ready).formats(["raw", "qcow2", "qed"]);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]);
}

/// An image with data here and there; with `below`, half of it in a backing file.
fn source(t: &Test, below: Option<&str>) -> TestResult<String> {
    let image = t.file("source");
    match below {
        None => {
            t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
            t.write_pattern(&image, 0x01, "0", "1M")?;
        }
        Some(below) => {
            t.qemu_img_create(["-f", t.imgfmt(), below, "4M"])?;
            t.write_pattern(below, 0x01, "0", "1M")?;
            t.qemu_img_create(["-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), &image])?;
        }
    }
    t.write_pattern(&image, 0x02, "2M", "512k")?;
    Ok(image.to_string())
}

/// What `drive-mirror` is told.
fn arguments(t: &Test, target: &str, sync: &str) -> Value {
    json!({ "job-id": "job0", "device": "drive0", "target": target, "format": t.imgfmt(), "sync": sync })
}

/// Hides how much there is to copy: it depends on the holes that the format, the file system and QEMU can tell.
fn hide_amounts() -> Filter {
    Filter::custom_qmp(|message: &mut Value| {
        for key in ["len", "offset"] {
            if let Some(bytes) = message.get_mut("data").and_then(|data| data.get_mut(key)) {
                *bytes = json!("BYTES");
            }
        }
    })
}

fn log_mirror(t: &Test, vm: &mut Vm, target: &str, sync: &str) -> TestResult {
    let mut arguments = arguments(t, target, sync);
    arguments["auto-dismiss"] = json!(false);
    let filters = [t.filter_testfiles(), t.filter_imgfmt(), hide_amounts()];
    vm.qmp_log_with("drive-mirror", arguments, &filters, None)?;
    vm.run_job("job0", RunJob::new().filters(filters))?;
    Ok(())
}

fn full(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    log_mirror(t, &mut vm, &target, "full")?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/file", target.as_str())?;
    vm.shutdown()?;
    t.assert(t.compare_images(&source, &target)?, "the target has the content of its source")
}

fn top(t: &mut Test) -> TestResult {
    let below = t.file("below");
    let source = source(t, Some(&below))?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    log_mirror(t, &mut vm, &target, "top")?;
    vm.shutdown()?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &target])?;
    t.assert_qmp(&info, "backing-filename", below.as_str())?;
    t.assert(t.compare_images(&source, &target)?, "the target has the content of its source")
}

fn none(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    vm.cmd("drive-mirror", arguments(t, &target, "none"))?;
    vm.event_wait("BLOCK_JOB_READY")?;
    vm.write_pattern("drive0", 0x03, "3M", "64k")?;
    vm.complete_ready_and_wait("job0")?;
    vm.shutdown()?;
    // What was not copied is found in the source, below the target.
    let info = t.qemu_img_info(["-f", t.imgfmt(), &target])?;
    t.assert_qmp(&info, "backing-filename", source.as_str())?;
    t.verify_pattern(&target, 0x01, "0", "1M")?;
    t.verify_pattern(&target, 0x03, "3M", "64k")
}

fn given_up(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    vm.cmd("drive-mirror", arguments(t, &target, "full"))?;
    vm.wait_ready_and_cancel("job0")?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/file", source.as_str())?;
    vm.write_pattern("drive0", 0x04, "0", "64k")?;
    vm.shutdown()?;
    t.verify_pattern(&source, 0x04, "0", "64k")?;
    t.verify_pattern(&target, 0x01, "0", "1M")?;
    t.verify_pattern(&target, 0x02, "2M", "512k")
}

fn by_node(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let target = t.file("target");
    t.qemu_img_create(["-f", t.imgfmt(), &target, "4M"])?;
    let mut vm = t
        .vm()
        .drive_with(Drive::new(&source).options("node-name=source"))
        .blockdev(json!({
            "driver": t.imgfmt(), "node-name": "target", "file": { "driver": "file", "filename": target },
        }))
        .launch()?;
    let arguments = json!({
        "job-id": "job0", "device": "source", "target": "target", "sync": "full", "auto-dismiss": false,
    });
    vm.qmp_log("blockdev-mirror", arguments)?;
    vm.run_job("job0", RunJob::new().filters([hide_amounts()]))?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/node-name", "target")?;
    vm.shutdown()?;
    t.assert(t.compare_images(&source, &target)?, "the target has the content of its source")
}

fn writes_while_ready(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let target = t.file("target");
    let mut vm = t.vm().drive(&source).launch()?;
    vm.cmd("drive-mirror", arguments(t, &target, "full"))?;
    // Not before: QEMU may lose what is written while the job starts (up to 10.1).
    vm.wait_ready("job0")?;
    vm.write_pattern("drive0", 0x05, "0", "64k")?;
    vm.write_pattern("drive0", 0x06, "1M", "64k")?;
    vm.complete_ready_and_wait("job0")?;
    vm.write_pattern("drive0", 0x07, "3M", "64k")?;
    vm.shutdown()?;
    for (byte, offset) in [(0x05, "0"), (0x06, "1M"), (0x07, "3M")] {
        t.verify_pattern(&target, byte, offset, "64k")?;
    }
    t.verify_pattern(&source, 0, "3M", "64k")
}

fn mistakes(t: &mut Test) -> TestResult {
    let source = source(t, None)?;
    let [target, nowhere] = t.files(["target", "nowhere"]);
    let mut vm = t.vm().drive(&source).drive_with(Drive::empty().interface("none")).launch()?;
    for arguments in [
        json!({ "device": "nonesuch", "target": target, "sync": "full" }),
        json!({ "device": "drive1", "target": target, "sync": "full" }),
        json!({ "device": "drive0", "target": nowhere, "sync": "full", "mode": "existing" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "granularity": 1000 }),
        json!({ "device": "drive0", "target": target, "sync": "full", "granularity": 1 << 28 }),
        json!({ "device": "drive0", "target": target, "sync": "bitmap" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "format": "nonesuch" }),
        json!({ "device": "drive0", "target": target, "sync": "full", "buf-size": -1 }),
    ] {
        vm.qmp_log("drive-mirror", arguments)?;
    }
    Ok(vm.shutdown()?)
}
