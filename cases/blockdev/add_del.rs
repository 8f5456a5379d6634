//! Nodes that come and go while the VM runs.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2", "vdi", "vmdk", "vpc", "parallels"]).groups(["blockdev", "quick"]);
    s.test("node_is_there_until_it_is_deleted", come_and_go);
    s.test("data_written_through_a_node_is_in_the_file", data);
    s.test("node_in_use_is_not_deleted", in_use).formats(["qcow2"]);
    s.test("names_are_given_once", names).formats(["qcow2"]);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]);
    s.test("device_keeps_its_node_until_unplugged", device)
        .formats(["raw", "qcow2"])
        .requires(Requirement::VirtioScsi);
    s.test("inherited_cache_and_read_only_options", inherited).formats(["qcow2"]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    Ok(image.to_string())
}

fn disk(t: &Test, image: &str) -> Value {
    json!({
        "driver": t.imgfmt(),
        "node-name": "disk",
        "file": { "driver": "file", "node-name": "file", "filename": image },
    })
}

/// Names of all nodes, in order of their names.
fn nodes(vm: &mut Vm) -> TestResult<Vec<String>> {
    let nodes = vm.cmd("query-named-block-nodes", json!({ "flat": true }))?;
    let mut names: Vec<_> = nodes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["node-name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn come_and_go(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let size = t.image_size(&image)?;
    let mut vm = t.vm().launch()?;
    for _ in 0..2 {
        vm.cmd("blockdev-add", disk(t, &image))?;
        t.assert_eq(nodes(&mut vm)?, ["disk", "file"])?;
        let node = vm.node_info("disk")?.unwrap_or_default();
        t.assert_qmp(&node, "drv", t.imgfmt())?;
        t.assert_qmp(&node, "ro", false)?;
        t.assert_qmp(&node, "image/virtual-size", size)?;
        vm.cmd("blockdev-del", json!({ "node-name": "disk" }))?;
        t.assert_eq(nodes(&mut vm)?, Vec::<String>::new())?;
    }
    Ok(vm.shutdown()?)
}

fn data(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().launch()?;
    vm.cmd("blockdev-add", disk(t, &image))?;
    vm.write_pattern("disk", 0x31, "1M", "64k")?;
    vm.cmd("blockdev-del", json!({ "node-name": "disk" }))?;
    t.verify_pattern(&image, 0x31, "1M", "64k")?;
    Ok(vm.shutdown()?)
}

fn in_use(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().launch()?;
    vm.qmp_log("blockdev-add", json!({ "driver": "file", "node-name": "file", "filename": image }))?;
    vm.qmp_log("blockdev-add", json!({ "driver": "qcow2", "node-name": "disk", "file": "file" }))?;
    for node in ["file", "disk", "disk", "file"] {
        vm.qmp_log("blockdev-del", json!({ "node-name": node }))?;
    }
    Ok(vm.shutdown()?)
}

fn names(t: &mut Test) -> TestResult {
    let mut vm = t.vm().drive_with(Drive::empty().interface("none")).launch()?;
    let null = |name: Option<&str>| match name {
        Some(name) => json!({ "driver": "null-co", "read-zeroes": true, "node-name": name }),
        None => json!({ "driver": "null-co", "read-zeroes": true }),
    };
    for name in [Some("disk"), Some("disk"), Some("drive0"), Some("0bad"), Some("also bad"), None] {
        vm.qmp_log("blockdev-add", null(name))?;
    }
    Ok(vm.shutdown()?)
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let nowhere = t.file("nowhere");
    let mut vm = t.vm().launch()?;
    for node in [
        json!({ "driver": "qcow2", "node-name": "a", "file": "nonesuch" }),
        json!({ "driver": "qcow2", "node-name": "a", "file": { "driver": "file", "filename": nowhere } }),
        json!({ "driver": "qcow2", "node-name": "a", "colour": "red", "file": { "driver": "file", "filename": image } }),
        json!({ "driver": "qed", "node-name": "a", "file": { "driver": "file", "filename": image } }),
        json!({ "driver": "qcow2", "node-name": "a" }),
        json!({ "driver": "qcow2", "node-name": "a", "backing": "nonesuch", "file": { "driver": "file", "filename": image } }),
    ] {
        vm.qmp_log("blockdev-add", node)?;
    }
    vm.qmp_log("blockdev-del", json!({ "node-name": "a" }))?;
    t.assert_eq(nodes(&mut vm)?, Vec::<String>::new())?;
    Ok(vm.shutdown()?)
}

fn device(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().device("virtio-scsi,id=scsi0").launch()?;
    vm.cmd("blockdev-add", disk(t, &image))?;
    vm.cmd("device_add", json!({ "driver": "scsi-hd", "id": "hd0", "bus": "scsi0.0", "drive": "disk" }))?;
    let refused = vm.qmp("blockdev-del", json!({ "node-name": "disk" }))?;
    t.assert_qmp(&refused, "error/desc", "Node disk is in use")?;
    vm.drive_io(IoTarget::Device("hd0"), "write -P 0x32 0 64k")?;
    vm.cmd("device_del", json!({ "id": "hd0" }))?;
    vm.event_wait(EventMatch::new("DEVICE_DELETED").data(json!({ "device": "hd0" })))?;
    vm.cmd("blockdev-del", json!({ "node-name": "disk" }))?;
    vm.shutdown()?;
    t.verify_pattern(&image, 0x32, "0", "64k")
}

fn inherited(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut node = disk(t, &image);
    node["read-only"] = json!(true);
    node["cache"] = json!({ "direct": false, "no-flush": true });
    let mut vm = t.vm().blockdev(node).launch()?;
    for name in ["disk", "file"] {
        let info = vm.node_info(name)?.unwrap_or_default();
        t.assert_qmp(&info, "ro", true)?;
        t.assert_qmp(&info, "cache", json!({ "writeback": true, "direct": false, "no-flush": true }))?;
    }
    match vm.drive_io("disk", "write -P 0x33 0 64k") {
        Err(Error::Assertion(refusal)) => t.assert(refusal.contains("read-only"), refusal)?,
        other => t.assert(false, format!("a write to a read-only node is refused: {other:?}"))?,
    }
    vm.shutdown()?;
    t.verify_pattern(&image, 0, "0", "64k")
}
