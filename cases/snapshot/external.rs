//! A running disk gets a new top layer; what was there is frozen below it.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed", "vmdk"]).groups(["snapshot", "quick"]);
    // A vmdk overlay cannot be created while its backing file is open.
    s.test("new_writes_go_to_the_new_layer", new_layer).formats(["qcow2", "qed"]);
    s.test("existing_image_is_used_as_it_is", existing);
    s.test("one_layer_after_another", several).formats(["qcow2", "qed"]);
    s.test("node_is_taken_as_overlay", by_node).formats(["qcow2", "qed"]);
    s.test("two_drives_at_one_moment", transaction).formats(["qcow2", "qed"]);
    s.test("failed_transaction_leaves_both_drives_alone", failed_transaction).formats(["qcow2"]);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]);
}

fn image(t: &Test, name: &str, byte: u8) -> TestResult<String> {
    let image = t.file(name);
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    t.write_pattern(&image, byte, "0", "2M")?;
    Ok(image.to_string())
}

/// Writes over the second MiB, in the running VM.
fn write(vm: &mut Vm, drive: &str) -> TestResult {
    vm.write_pattern(drive, 0x99, "1M", "1M")?;
    Ok(())
}

/// `base` as it was made; `top` with the second MiB written over.
fn frozen(t: &Test, base: &str, byte: u8, top: &str) -> TestResult {
    t.verify_pattern(base, byte, "0", "2M")?;
    t.verify_pattern(top, byte, "0", "1M")?;
    t.verify_pattern(top, 0x99, "1M", "1M")
}

fn new_layer(t: &mut Test) -> TestResult {
    let base = image(t, "base", 0x01)?;
    let top = t.file("top");
    let mut vm = t.vm().drive(&base).launch()?;
    let filters = [t.filter_testfiles(), t.filter_imgfmt()];
    let arguments = json!({ "device": "drive0", "snapshot-file": top, "format": t.imgfmt() });
    vm.qmp_log_with("blockdev-snapshot-sync", arguments, &filters, None)?;
    write(&mut vm, "drive0")?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/file", top.as_str())?;
    t.assert_qmp(&block, "return[0]/inserted/backing_file", base.as_str())?;
    vm.shutdown()?;
    frozen(t, &base, 0x01, &top)
}

fn existing(t: &mut Test) -> TestResult {
    let base = image(t, "base", 0x02)?;
    let top = t.file("top");
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top])?;
    t.write_pattern(&top, 0x03, "3M", "64k")?;
    let mut vm = t.vm().drive(&base).launch()?;
    let arguments =
        json!({ "device": "drive0", "snapshot-file": top, "format": t.imgfmt(), "mode": "existing" });
    vm.cmd("blockdev-snapshot-sync", arguments)?;
    write(&mut vm, "drive0")?;
    vm.shutdown()?;
    frozen(t, &base, 0x02, &top)?;
    t.verify_pattern(&top, 0x03, "3M", "64k")
}

fn several(t: &mut Test) -> TestResult {
    let mut layers = vec![image(t, "layer0", 0)?];
    let mut vm = t.vm().drive(&layers[0]).launch()?;
    for number in 1..4 {
        let layer = t.file(&format!("layer{number}"));
        let arguments = json!({ "device": "drive0", "snapshot-file": layer, "format": t.imgfmt() });
        vm.cmd("blockdev-snapshot-sync", arguments)?;
        vm.drive_io("drive0", &format!("write -P {number} {number}M 512k"))?;
        layers.push(layer.to_string());
    }
    vm.shutdown()?;
    for (number, layer) in layers.iter().enumerate() {
        for written in 1..4 {
            let byte = if written <= number { written as u8 } else { 0 };
            t.verify_pattern(layer, byte, &format!("{written}M"), "512k")?;
        }
    }
    Ok(())
}

fn by_node(t: &mut Test) -> TestResult {
    let base = image(t, "base", 0x04)?;
    let top = t.file("top");
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top])?;
    let node = |name: &str, file: &str| json!({ "driver": t.imgfmt(), "node-name": name, "file": { "driver": "file", "filename": file } });
    let mut vm = t.vm().blockdev(node("base", &base)).launch()?;
    let mut overlay = node("top", &top);
    overlay["backing"] = Value::Null;
    vm.cmd("blockdev-add", overlay)?;
    vm.cmd("blockdev-snapshot", json!({ "node": "base", "overlay": "top" }))?;
    vm.assert_block_path("top", "/backing", Some("base"))?;
    write(&mut vm, "top")?;
    vm.shutdown()?;
    frozen(t, &base, 0x04, &top)
}

fn sync(t: &Test, device: &str, file: &str) -> Value {
    let data = json!({ "device": device, "snapshot-file": file, "format": t.imgfmt() });
    json!({ "type": "blockdev-snapshot-sync", "data": data })
}

fn transaction(t: &mut Test) -> TestResult {
    let (base0, base1) = (image(t, "base0", 0x05)?, image(t, "base1", 0x06)?);
    let [top0, top1] = t.files(["top0", "top1"]);
    let mut vm = t.vm().drive(&base0).drive(&base1).launch()?;
    vm.cmd("transaction", json!({ "actions": [sync(t, "drive0", &top0), sync(t, "drive1", &top1)] }))?;
    write(&mut vm, "drive0")?;
    write(&mut vm, "drive1")?;
    vm.shutdown()?;
    frozen(t, &base0, 0x05, &top0)?;
    frozen(t, &base1, 0x06, &top1)
}

fn failed_transaction(t: &mut Test) -> TestResult {
    let (base0, base1) = (image(t, "base0", 0x07)?, image(t, "base1", 0x08)?);
    let [top0, nowhere] = t.files(["top0", "no-such-directory/top1"]);
    let mut vm = t.vm().drive(&base0).drive(&base1).launch()?;
    let actions = json!([sync(t, "drive0", &top0), sync(t, "drive1", &nowhere)]);
    let reply = vm.qmp("transaction", json!({ "actions": actions }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/file", base0.as_str())?;
    t.assert_qmp(&block, "return[1]/inserted/file", base1.as_str())?;
    write(&mut vm, "drive0")?;
    vm.shutdown()?;
    t.verify_pattern(&base0, 0x99, "1M", "1M")
}

fn mistakes(t: &mut Test) -> TestResult {
    let base = image(t, "base", 0x09)?;
    let [top, nowhere] = t.files(["top", "nowhere"]);
    let mut vm = t.vm().drive(&base).drive_with(Drive::empty().interface("none")).launch()?;
    for arguments in [
        json!({ "device": "nonesuch", "snapshot-file": top }),
        json!({ "device": "drive1", "snapshot-file": top }),
        json!({ "snapshot-file": top }),
        json!({ "device": "drive0", "snapshot-file": top, "format": "nonesuch" }),
        json!({ "device": "drive0", "snapshot-file": nowhere, "mode": "existing", "format": "qcow2" }),
    ] {
        vm.qmp_log("blockdev-snapshot-sync", arguments)?;
    }
    Ok(vm.shutdown()?)
}
