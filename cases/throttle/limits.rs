//! Limits on how fast a drive may be used: given, changed, shared and lifted.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["throttle", "quick"]);
    let mut drives = s.fixture("", two_drives);
    drives.test("set_by_command", set);
    drives.test("bursts", bursts);
    drives.test("contradictions_change_nothing", contradictions);
    drives.test("group_shares_them", shared);
    drives.test("group_goes_on_without_one_that_left", left);
    drives.test("held_write_goes_on_when_they_are_lifted", held_write);
    drives.test("held_writes_do_not_keep_the_vm_from_its_end", held_at_the_end);
    s.test("given_at_start", given_at_start);
    s.test("kept_while_there_is_no_medium", without_medium).requires(Requirement::VirtioScsi);
    s.test("group_as_an_object_of_its_own", object);
    s.test("group_of_nodes_is_not_deleted", object_in_use);
}

/// `drive0` and `drive1`, of 1 MiB each.
fn two_drives(t: &mut Test) -> TestResult<Vm> {
    let images = t.files(["image0", "image1"]);
    for image in &images {
        t.qemu_img_create(["-f", t.imgfmt(), image, "1M"])?;
    }
    Ok(t.vm().drive(&images[0]).drive(&images[1]).launch()?)
}

/// Limits for a drive: all that are not named are none.
fn throttle(vm: &mut Vm, drive: &str, limits: Value) -> Result<Value> {
    throttle_by(vm, "device", drive, limits)
}

/// As [`throttle`], the drive told by this argument.
fn throttle_by(vm: &mut Vm, argument: &str, drive: &str, limits: Value) -> Result<Value> {
    let mut arguments = json!({ argument: drive });
    for key in ["bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"] {
        arguments[key] = json!(0);
    }
    for (key, value) in limits.as_object().into_iter().flatten() {
        arguments[key] = value.clone();
    }
    vm.qmp("block_set_io_throttle", arguments)
}

/// Demands these values of a drive in `query-block`.
fn told(t: &Test, vm: &mut Vm, drive: &str, limits: &Value) -> TestResult {
    let reply = vm.query("query-block")?;
    let mut drives = reply["return"].as_array().into_iter().flatten();
    let entry = drives.find(|entry| entry["device"] == drive).cloned().unwrap_or_default();
    for (key, value) in limits.as_object().into_iter().flatten() {
        t.assert_qmp(&entry, &format!("inserted/{key}"), value.clone())?;
    }
    Ok(())
}

fn set(t: &mut Test, vm: &mut Vm) -> TestResult {
    for limits in [
        json!({ "bps": 1_000_000, "iops": 100 }),
        json!({ "bps": 0, "bps_rd": 1000, "bps_wr": 2000, "iops_rd": 10, "iops_wr": 20 }),
        json!({ "bps": 0, "bps_rd": 0, "iops": 0 }),
    ] {
        t.assert_qmp(&throttle(vm, "drive0", limits.clone())?, "return", json!({}))?;
        told(t, vm, "drive0", &limits)?;
        told(t, vm, "drive1", &json!({ "bps": 0, "iops": 0 }))?;
    }
    Ok(())
}

fn bursts(t: &mut Test, vm: &mut Vm) -> TestResult {
    let limits = json!({
        "bps": 1000, "bps_max": 5000, "bps_max_length": 3, "iops": 10, "iops_max": 20, "iops_size": 4096,
    });
    t.assert_qmp(&throttle(vm, "drive0", limits.clone())?, "return", json!({}))?;
    told(t, vm, "drive0", &limits)?;
    told(t, vm, "drive0", &json!({ "iops_max_length": 1 }))
}

fn contradictions(t: &mut Test, vm: &mut Vm) -> TestResult {
    let good = json!({ "bps": 1000, "iops": 10 });
    throttle(vm, "drive0", good.clone())?;
    for limits in [
        json!({ "bps": 1000, "bps_rd": 1000 }),
        json!({ "iops": 1000, "iops_wr": 1000 }),
        json!({ "bps": 1000, "bps_max": 100 }),
        json!({ "bps": 1000, "bps_max_length": 5 }),
        json!({ "bps_max": 1000 }),
        json!({ "bps": -1 }),
        json!({ "iops": 10, "bps_max": 5 }),
        json!({ "iops_size": 4096 }),
    ] {
        let reply = throttle(vm, "drive0", limits.clone())?;
        t.assert(reply.get("error").is_some(), format!("{limits} is refused"))?;
        told(t, vm, "drive0", &good)?;
    }
    let reply = throttle(vm, "nonesuch", good)?;
    t.assert_qmp(&reply, "error/class", "DeviceNotFound")
}

fn shared(t: &mut Test, vm: &mut Vm) -> TestResult {
    for drive in ["drive0", "drive1"] {
        throttle(vm, drive, json!({ "iops": 10, "group": "ours" }))?;
    }
    throttle(vm, "drive1", json!({ "bps": 2000, "group": "ours" }))?;
    for drive in ["drive0", "drive1"] {
        told(t, vm, drive, &json!({ "group": "ours", "bps": 2000, "iops": 0 }))?;
    }
    throttle(vm, "drive0", json!({ "bps": 3000, "group": "other" }))?;
    told(t, vm, "drive0", &json!({ "group": "other", "bps": 3000 }))?;
    told(t, vm, "drive1", &json!({ "group": "ours", "bps": 2000 }))
}

fn left(t: &mut Test, vm: &mut Vm) -> TestResult {
    for drive in ["drive0", "drive1"] {
        throttle(vm, drive, json!({ "iops": 10, "group": "ours" }))?;
    }
    throttle(vm, "drive0", json!({}))?;
    let reply = vm.query("query-block")?;
    t.assert_qmp(&reply, "return[0]/device", "drive0")?;
    t.assert_qmp_absent(&reply, "return[0]/inserted/group")?;
    told(t, vm, "drive0", &json!({ "iops": 0 }))?;
    told(t, vm, "drive1", &json!({ "iops": 10, "group": "ours" }))
}

/// Has two writes in flight, the second of them held for hours.
fn hold_a_write(vm: &mut Vm) -> TestResult {
    throttle(vm, "drive0", json!({ "bps_wr": 1 }))?;
    vm.drive_io("drive0", "aio_write -P 1 0 64k")?;
    vm.drive_io("drive0", "aio_write -P 2 64k 64k")?;
    Ok(())
}

fn held_write(t: &mut Test, vm: &mut Vm) -> TestResult {
    hold_a_write(vm)?;
    let written = |vm: &Vm| vm.get_log().unwrap_or_default().matches("wrote 65536/65536").count();
    t.assert(written(vm) < 2, "one of the writes is held")?;
    throttle(vm, "drive0", json!({}))?;
    vm.drive_io("drive0", "aio_flush")?;
    t.assert_eq(written(vm), 2)?;
    vm.shutdown()?;
    t.verify_pattern(&t.file("image0"), 2, "64k", "64k")
}

fn held_at_the_end(t: &mut Test, vm: &mut Vm) -> TestResult {
    hold_a_write(vm)?;
    vm.shutdown()?;
    t.verify_pattern(&t.file("image0"), 1, "0", "64k")?;
    t.verify_pattern(&t.file("image0"), 2, "64k", "64k")
}

fn given_at_start(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    let options = "throttling.bps-read=1000,throttling.iops-total=10,throttling.group=ours";
    let mut vm = t.vm().drive_with(Drive::new(&image).options(options)).launch()?;
    told(t, &mut vm, "drive0", &json!({ "bps_rd": 1000, "bps_wr": 0, "iops": 10, "group": "ours" }))?;
    Ok(vm.shutdown()?)
}

fn without_medium(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    let node = json!({
        "driver": t.imgfmt(), "node-name": "medium", "read-only": true,
        "file": { "driver": "file", "filename": image },
    });
    let mut vm =
        t.vm().blockdev(node).device("virtio-scsi").device("scsi-cd,id=cd0,drive=medium").launch()?;
    throttle_by(&mut vm, "id", "cd0", json!({ "iops": 10, "group": "ours" }))?;
    vm.cmd("blockdev-open-tray", json!({ "id": "cd0", "force": true }))?;
    vm.cmd("blockdev-remove-medium", json!({ "id": "cd0" }))?;
    let refused = throttle_by(&mut vm, "id", "cd0", json!({ "iops": 20 }))?;
    t.assert_qmp(&refused, "error/desc", "Device has no medium")?;
    vm.cmd("blockdev-insert-medium", json!({ "id": "cd0", "node-name": "medium" }))?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/iops", 10)?;
    t.assert_qmp(&block, "return[0]/inserted/group", "ours")?;
    Ok(vm.shutdown()?)
}

/// A VM with a node `disk` that is limited by the group `group0`.
fn filtered(t: &Test) -> TestResult<Vm> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    let file = json!({ "driver": t.imgfmt(), "file": { "driver": "file", "filename": image } });
    let node = json!({ "driver": "throttle", "node-name": "disk", "throttle-group": "group0", "file": file });
    Ok(t.vm().object("throttle-group,id=group0,x-iops-total=10").blockdev(node).launch()?)
}

fn object(t: &mut Test) -> TestResult {
    let mut vm = filtered(t)?;
    let limits = |vm: &mut Vm| vm.cmd("qom-get", json!({ "path": "/objects/group0", "property": "limits" }));
    t.assert_qmp(&limits(&mut vm)?, "iops-total", 10)?;
    let set = |vm: &mut Vm, value: Value| {
        vm.qmp("qom-set", json!({ "path": "/objects/group0", "property": "limits", "value": value }))
    };
    t.assert_qmp(&set(&mut vm, json!({ "iops-total": 0, "bps-write": 4096 }))?, "return", json!({}))?;
    let now = limits(&mut vm)?;
    t.assert_qmp(&now, "iops-total", 0)?;
    t.assert_qmp(&now, "bps-write", 4096)?;
    let refused = set(&mut vm, json!({ "bps-total": 1, "bps-write": 1 }))?;
    t.assert_qmp(&refused, "error/class", "GenericError")?;
    t.assert_eq(limits(&mut vm)?, now)?;
    Ok(vm.shutdown()?)
}

fn object_in_use(t: &mut Test) -> TestResult {
    let mut vm = filtered(t)?;
    let refused = vm.qmp("object-del", json!({ "id": "group0" }))?;
    t.assert_qmp(&refused, "error/class", "GenericError")?;
    let twice = vm.qmp("object-add", json!({ "qom-type": "throttle-group", "id": "group0" }))?;
    t.assert_qmp(&twice, "error/class", "GenericError")?;
    vm.cmd("blockdev-del", json!({ "node-name": "disk" }))?;
    vm.cmd("object-del", json!({ "id": "group0" }))?;
    Ok(vm.shutdown()?)
}
