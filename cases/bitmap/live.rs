//! Dirty bitmaps of a running VM: what they record, and how they outlive it.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["compat"]).groups(["bitmap", "quick"]);
    s.test("writes_are_recorded_while_enabled", recording).formats(["qcow2"]);
    s.test("granularity_decides_how_much_is_dirty", granularity).params(["512", "64k", "1M"]);
    s.test("merged_bitmap_has_the_bits_of_both", merge);
    s.test("persistent_bitmap_outlives_the_vm", persistent);
    s.test("bitmap_in_memory_is_gone_after_shutdown", in_memory);
    s.test("all_or_nothing_in_a_transaction", transaction);
    s.test("equal_content_has_an_equal_hash", hash);
    s.test("mistakes_are_refused", mistakes);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", &image, "4M"])?;
    Ok(image.to_string())
}

/// A VM that passes discards on, since those that a drive ignores are not recorded.
fn vm(t: &Test, image: &str) -> TestResult<Vm> {
    Ok(t.vm().drive_with(Drive::new(image).options("node-name=disk,discard=unmap")).launch()?)
}

fn add(vm: &mut Vm, name: &str, more: Value) -> TestResult {
    let mut arguments = json!({ "node": "disk", "name": name });
    for (key, value) in more.as_object().into_iter().flatten() {
        arguments[key] = value.clone();
    }
    vm.cmd("block-dirty-bitmap-add", arguments)?;
    Ok(())
}

/// Bytes that a bitmap holds to be dirty.
fn dirty(vm: &mut Vm, name: &str) -> TestResult<u64> {
    let bitmap = vm.get_bitmap("disk", name, None)?.unwrap_or_default();
    bitmap["count"]
        .as_u64()
        .ok_or_else(|| Error::assertion(format!("bitmap {name} has no count: {bitmap}")).into())
}

fn write(vm: &mut Vm, offset: &str, length: &str) -> TestResult {
    vm.write_pattern("drive0", 1, offset, length)?;
    Ok(())
}

fn recording(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    let say = |vm: &mut Vm, what: &str| -> TestResult {
        let bitmap = vm.get_bitmap("disk", "b0", None)?.unwrap_or_default();
        t.log(format!("{what}: {} bytes dirty, recording {}", bitmap["count"], bitmap["recording"]));
        Ok(())
    };
    add(&mut vm, "b0", json!({}))?;
    say(&mut vm, "new")?;
    write(&mut vm, "0", "64k")?;
    say(&mut vm, "after a write")?;
    vm.cmd("block-dirty-bitmap-disable", json!({ "node": "disk", "name": "b0" }))?;
    write(&mut vm, "1M", "64k")?;
    say(&mut vm, "after a write while disabled")?;
    vm.cmd("block-dirty-bitmap-enable", json!({ "node": "disk", "name": "b0" }))?;
    vm.drive_io("drive0", "write -z 2M 128k")?;
    say(&mut vm, "after zeros were written")?;
    vm.drive_io("drive0", "discard 3M 64k")?;
    say(&mut vm, "after a discard")?;
    vm.drive_io("drive0", "read 3M 1M")?;
    say(&mut vm, "after a read")?;
    vm.cmd("block-dirty-bitmap-clear", json!({ "node": "disk", "name": "b0" }))?;
    say(&mut vm, "cleared")?;
    vm.cmd("block-dirty-bitmap-remove", json!({ "node": "disk", "name": "b0" }))?;
    t.assert_eq(vm.query_bitmaps()?.len(), 0)?;
    Ok(vm.shutdown()?)
}

fn granularity(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    let bytes: u64 = match t.param() {
        "512" => 512,
        "64k" => 64 << 10,
        _ => 1 << 20,
    };
    add(&mut vm, "b0", json!({ "granularity": bytes }))?;
    write(&mut vm, "1000k", "1k")?;
    t.assert_eq(dirty(&mut vm, "b0")?, bytes.max(1024))?;
    write(&mut vm, "2M", "1M")?;
    t.assert_eq(dirty(&mut vm, "b0")?, bytes.max(1024) + (1 << 20))?;
    t.assert(
        vm.check_bitmap_status("disk", "b0", &json!({ "granularity": bytes, "recording": true }))?,
        "it is as asked for",
    )?;
    Ok(vm.shutdown()?)
}

fn merge(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    add(&mut vm, "early", json!({}))?;
    write(&mut vm, "0", "128k")?;
    vm.cmd("block-dirty-bitmap-disable", json!({ "node": "disk", "name": "early" }))?;
    add(&mut vm, "late", json!({}))?;
    write(&mut vm, "64k", "128k")?;
    add(&mut vm, "both", json!({ "disabled": true }))?;
    let sources = json!(["early", { "node": "disk", "name": "late" }]);
    vm.cmd("block-dirty-bitmap-merge", json!({ "node": "disk", "target": "both", "bitmaps": sources }))?;
    t.assert_eq(dirty(&mut vm, "early")?, 128 << 10)?;
    t.assert_eq(dirty(&mut vm, "late")?, 128 << 10)?;
    t.assert_eq(dirty(&mut vm, "both")?, 192 << 10)?;
    Ok(vm.shutdown()?)
}

fn persistent(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    add(&mut vm, "b0", json!({ "persistent": true }))?;
    write(&mut vm, "0", "64k")?;
    vm.shutdown()?;
    let info = t.qemu_img_info(["-f", "qcow2", &image])?;
    t.assert_qmp(&info, "format-specific/data/bitmaps[0]/name", "b0")?;
    vm.launch()?;
    t.assert_eq(dirty(&mut vm, "b0")?, 64 << 10)?;
    let as_was = json!({ "persistent": true, "recording": true, "busy": false });
    t.assert(vm.check_bitmap_status("disk", "b0", &as_was)?, "it records again after the restart")?;
    write(&mut vm, "1M", "64k")?;
    t.assert_eq(dirty(&mut vm, "b0")?, 128 << 10)?;
    vm.cmd("block-dirty-bitmap-remove", json!({ "node": "disk", "name": "b0" }))?;
    vm.shutdown()?;
    t.assert_qmp_absent(&t.qemu_img_info(["-f", "qcow2", &image])?, "format-specific/data/bitmaps")
}

fn in_memory(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    add(&mut vm, "b0", json!({}))?;
    vm.shutdown()?;
    vm.launch()?;
    t.assert_eq(vm.query_bitmaps()?.len(), 0)?;
    Ok(vm.shutdown()?)
}

fn transaction(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    add(&mut vm, "b0", json!({}))?;
    write(&mut vm, "0", "64k")?;
    let actions = |last: &str| {
        json!([
            { "type": "block-dirty-bitmap-add", "data": { "node": "disk", "name": "b1" } },
            { "type": "block-dirty-bitmap-merge",
              "data": { "node": "disk", "target": "b1", "bitmaps": ["b0"] } },
            { "type": "block-dirty-bitmap-clear", "data": { "node": "disk", "name": "b0" } },
            { "type": "block-dirty-bitmap-disable", "data": { "node": "disk", "name": last } },
        ])
    };
    let reply = vm.qmp("transaction", json!({ "actions": actions("nonesuch") }))?;
    t.assert_qmp(&reply, "error/desc", "Dirty bitmap 'nonesuch' not found")?;
    t.assert_eq(dirty(&mut vm, "b0")?, 64 << 10)?;
    t.assert_eq(vm.get_bitmap("disk", "b1", None)?, None)?;
    vm.cmd("transaction", json!({ "actions": actions("b0") }))?;
    t.assert_eq(dirty(&mut vm, "b0")?, 0)?;
    t.assert_eq(dirty(&mut vm, "b1")?, 64 << 10)?;
    t.assert(vm.get_bitmap("disk", "b0", Some(false))?.is_some(), "b0 does not record")?;
    t.assert(vm.get_bitmap("disk", "b1", Some(true))?.is_some(), "b1 records")?;
    Ok(vm.shutdown()?)
}

fn hash(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    let sha = |vm: &mut Vm, name: &str| {
        vm.cmd("x-debug-block-dirty-bitmap-sha256", json!({ "node": "disk", "name": name }))
    };
    for name in ["b0", "b1"] {
        add(&mut vm, name, json!({}))?;
    }
    let empty = sha(&mut vm, "b0")?;
    write(&mut vm, "0", "64k")?;
    let written = sha(&mut vm, "b0")?;
    t.assert(written != empty, "a write changes the hash")?;
    t.assert_eq(sha(&mut vm, "b1")?, written)?;
    vm.cmd("block-dirty-bitmap-clear", json!({ "node": "disk", "name": "b0" }))?;
    t.assert_eq(sha(&mut vm, "b0")?, empty)?;
    Ok(vm.shutdown()?)
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = vm(t, &image)?;
    add(&mut vm, "b0", json!({}))?;
    for (command, arguments) in [
        ("block-dirty-bitmap-add", json!({ "node": "disk", "name": "b0" })),
        ("block-dirty-bitmap-add", json!({ "node": "disk", "name": "" })),
        ("block-dirty-bitmap-add", json!({ "node": "disk", "name": "b1", "granularity": 1000 })),
        ("block-dirty-bitmap-add", json!({ "node": "nonesuch", "name": "b1" })),
        ("block-dirty-bitmap-add", json!({ "name": "b1" })),
        ("block-dirty-bitmap-remove", json!({ "node": "disk", "name": "b1" })),
        ("block-dirty-bitmap-clear", json!({ "node": "disk", "name": "b1" })),
        ("block-dirty-bitmap-merge", json!({ "node": "disk", "target": "b0", "bitmaps": ["b1"] })),
    ] {
        vm.qmp_log(command, arguments)?;
    }
    Ok(vm.shutdown()?)
}
