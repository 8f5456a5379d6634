//! The block graph of a running VM, asked for in every way.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["blockdev", "quick"]);
    s.test("paths_lead_from_node_to_node", paths);
    s.test("wrong_paths_are_told", wrong_paths);
    s.test("nodes_are_found_by_name_and_file", nodes);
    s.test("file_name_of_a_tree_of_nodes", json_name);
    s.test("flat_and_deep_lists_of_nodes", lists);
    s.test("write_threshold_is_told_once", threshold);
}

/// A VM with three layers, the top one through a throttle filter.
fn vm(t: &Test) -> TestResult<Vm> {
    let layers = t.files(["base", "mid", "top"]);
    for (index, layer) in layers.iter().enumerate() {
        match index {
            0 => t.qemu_img_create(["-f", "qcow2", layer, "1M"])?,
            _ => t.qemu_img_create(["-f", "qcow2", "-b", &layers[index - 1], "-F", "qcow2", layer])?,
        };
    }
    let file = |name: &str, image: &str| json!({ "driver": "file", "node-name": format!("{name}-file"), "filename": image });
    let layer = |name: &str, image: &str, backing: Value| json!({ "driver": "qcow2", "node-name": name, "file": file(name, image), "backing": backing });
    let [base, mid, top] = &layers;
    let tree = layer("top", top, layer("mid", mid, layer("base", base, Value::Null)));
    let filter =
        json!({ "driver": "throttle", "node-name": "filter", "throttle-group": "group0", "file": tree });
    Ok(t.vm().object("throttle-group,id=group0").blockdev(filter).launch()?)
}

fn paths(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    for (root, path, node) in [
        ("filter", "/file", Some("top")),
        ("filter", "/file/file", Some("top-file")),
        ("filter", "/file/backing", Some("mid")),
        ("filter", "/file/backing/backing/file", Some("base-file")),
        ("mid", "/backing", Some("base")),
        ("base", "/backing", None),
        ("base-file", "/file", None),
    ] {
        vm.assert_block_path(root, path, node)?;
    }
    Ok(vm.shutdown()?)
}

fn wrong_paths(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    for (root, path, node) in [
        ("filter", "file", Some("top")),
        ("nonesuch", "/file", Some("top")),
        ("filter", "/file", Some("mid")),
        ("filter", "/file", None),
        ("base", "/backing", Some("nothing")),
        ("base", "/backing/file", None),
    ] {
        let followed = vm.assert_block_path(root, path, node);
        t.assert(followed.is_err(), format!("{path} does not lead from {root} to {node:?}"))?;
    }
    Ok(vm.shutdown()?)
}

fn nodes(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let top = t.file("top");
    vm.assert_has_block_node(Some("mid"), None)?;
    vm.assert_has_block_node(None, Some(&top))?;
    vm.assert_has_block_node(Some("top"), Some(&top))?;
    t.assert(vm.assert_has_block_node(Some("mid"), Some(&top)).is_err(), "mid has another file")?;
    t.assert(vm.assert_has_block_node(Some("nonesuch"), None).is_err(), "there is no such node")?;
    let info = vm.node_info("top")?.unwrap_or_default();
    t.assert_qmp(&info, "drv", "qcow2")?;
    t.assert_qmp(&info, "backing_file_depth", 2)?;
    t.assert_qmp(&info, "image/backing-image/filename", t.file("mid").as_str())?;
    t.assert_eq(vm.node_info("nonesuch")?, None)?;
    vm.assert_no_active_block_jobs()?;
    Ok(vm.shutdown()?)
}

fn json_name(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", &image, "1M"])?;
    let node = json!({
        "driver": "qcow2", "node-name": "disk",
        "file": { "driver": "raw", "offset": 0, "file": { "driver": "file", "filename": image } },
    });
    let mut vm = t.vm().blockdev(node).launch()?;
    let info = vm.node_info("disk")?.unwrap_or_default();
    let name = info["image"]["filename"].as_str().unwrap_or_default().to_owned();
    let tree = |offset: u64| {
        let file = json!({ "driver": "file", "filename": image });
        json!({ "driver": "qcow2", "file": { "driver": "raw", "offset": offset, "file": file } })
    };
    t.assert_json_filename_equal(&name, &tree(0))?;
    t.assert(t.assert_json_filename_equal(&name, &tree(512)).is_err(), "another offset is another name")?;
    t.assert(t.assert_json_filename_equal(&image, &tree(0)).is_err(), "a path is no json: file name")?;
    Ok(vm.shutdown()?)
}

fn lists(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let flat = vm.cmd("query-named-block-nodes", json!({ "flat": true }))?;
    let deep = vm.cmd("query-named-block-nodes", json!({ "flat": false }))?;
    let names = |list: &Value| -> Vec<String> {
        let entries = list.as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["node-name"].as_str().map(str::to_owned)).collect()
    };
    t.assert_eq(names(&flat), names(&deep))?;
    t.log(names(&flat).join(" "));
    let backing = |list: &Value| {
        let mut entries = list.as_array().into_iter().flatten();
        entries.any(|entry| entry["image"].get("backing-image").is_some())
    };
    t.assert(!backing(&flat) && backing(&deep), "only the deep list repeats what is below")?;
    Ok(vm.shutdown()?)
}

fn threshold(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "raw", &image, "1M"])?;
    let node = json!({ "driver": "file", "node-name": "disk", "filename": image });
    let mut vm = t.vm().blockdev(node).launch()?;
    vm.cmd("block-set-write-threshold", json!({ "node-name": "disk", "write-threshold": 65536 }))?;
    vm.write_pattern("disk", 1, "0", "64k")?;
    t.assert_eq(vm.try_event(&["BLOCK_WRITE_THRESHOLD".into()])?, None)?;
    vm.write_pattern("disk", 1, "32k", "64k")?;
    let event = vm.event_wait("BLOCK_WRITE_THRESHOLD")?;
    t.assert_qmp(&event, "data/amount-exceeded", 32768)?;
    vm.write_pattern("disk", 1, "64k", "64k")?;
    t.assert_eq(vm.try_event(&["BLOCK_WRITE_THRESHOLD".into()])?, None)?;
    Ok(vm.shutdown()?)
}
