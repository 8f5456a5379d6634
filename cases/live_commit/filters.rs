//! Commits in a chain with filters in it, and in one that is not what the image says.
use iotests::prelude::*;

/// top-filter -> cow3 -> cow2 -> cow1 -> bottom-filter -> cow0, each image with a megabyte of its own.
struct Chain {
    images: Vec<ScratchFile>,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backing", "quick"]);
    let mut chain = s.fixture("chain", Chain::open);
    chain.requires(Requirement::VirtioScsi).unsupported_imgopts(["cluster_size"]);
    chain.test("between_filters", between_filters);
    chain.test("through_a_filter", through_a_filter);
    chain.test("active_layer_with_its_filter", active_layer_with_its_filter);
    chain.test("active_layer_without_its_filter", active_layer_without_its_filter);
    s.test("other_backing_file", other_backing_file);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let mut images = Vec::new();
        for n in 0..4 {
            let image = t.file(&format!("image{n}"));
            t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
            t.write_pattern(&image, n + 1, &format!("{n}M"), "1M")?;
            images.push(image);
        }
        let mut vm = t.vm().device("virtio-scsi,id=scsi").launch()?;
        vm.cmd("object-add", json!({ "qom-type": "throttle-group", "id": "group" }))?;
        let throttled = |name: &str, file: Value| json!({ "node-name": name, "driver": "throttle", "throttle-group": "group", "file": file });
        let cow = |n: usize, backing: Value| {
            json!({
                "node-name": format!("cow{n}"), "driver": t.imgfmt(), "backing": backing,
                "file": { "driver": "file", "filename": images[n] },
            })
        };
        let below = throttled("bottom-filter", cow(0, Value::Null));
        let disk = cow(3, cow(2, cow(1, below)));
        vm.cmd("blockdev-add", throttled("top-filter", disk))?;
        Ok(Self { images, vm })
    }

    fn commit(&mut self, how: Value) -> TestResult {
        let disk = Args::from(json!({ "job-id": "commit", "device": "top-filter" }));
        self.vm.cmd("block-commit", disk.with(how))?;
        Ok(())
    }

    /// Demands that a node is there, or is not.
    fn has(&mut self, t: &Test, node: &str, expected: bool) -> TestResult {
        let found = self.vm.node_info(node)?.is_some();
        t.assert(found == expected, format!("node {node} is {}", if expected { "there" } else { "gone" }))
    }

    /// Demands that all data is still where it was, but that of image `from`, which is now in `to`.
    fn verify(&mut self, t: &Test, from: usize, to: usize) -> TestResult {
        self.vm.shutdown()?;
        for n in 0..4 {
            let place = if n == from { to } else { n };
            t.verify_pattern(&self.images[place], n as u8 + 1, &format!("{n}M"), "1M")?;
        }
        Ok(())
    }
}

fn between_filters(t: &mut Test, chain: &mut Chain) -> TestResult {
    let name = chain.images[1].clone();
    chain.commit(json!({ "top-node": "cow2", "base-node": "cow1", "backing-file": name }))?;
    chain.vm.wait_until_completed("commit")?;
    for (node, expected) in [("cow3", true), ("cow2", false), ("cow1", true)] {
        chain.has(t, node, expected)?;
    }
    chain.verify(t, 2, 1)
}

fn through_a_filter(t: &mut Test, chain: &mut Chain) -> TestResult {
    let name = chain.images[0].clone();
    chain.commit(json!({ "top-node": "cow1", "base-node": "cow0", "backing-file": name }))?;
    chain.vm.wait_until_completed("commit")?;
    for (node, expected) in [("cow2", true), ("cow1", false), ("bottom-filter", false), ("cow0", true)] {
        chain.has(t, node, expected)?;
    }
    chain.verify(t, 1, 0)
}

/// The filter goes with the image below it, and its user gets what is left.
fn active_layer_with_its_filter(t: &mut Test, chain: &mut Chain) -> TestResult {
    let disk = json!({ "id": "disk", "driver": "scsi-hd", "bus": "scsi.0", "drive": "top-filter" });
    chain.vm.cmd("device_add", disk)?;
    let reply = chain.vm.qmp("blockdev-del", json!({ "node-name": "top-filter" }))?;
    t.assert_qmp(&reply, "error/desc", "Node top-filter is in use")?;
    chain.commit(json!({ "base-node": "cow2" }))?;
    chain.vm.complete_and_wait("commit")?;
    chain.vm.cmd("blockdev-del", json!({ "node-name": "top-filter" }))?;
    for (node, expected) in [("top-filter", false), ("cow3", false), ("cow2", true)] {
        chain.has(t, node, expected)?;
    }
    let disks = chain.vm.query("query-block")?;
    t.assert_qmp(&disks, "return[0]/qdev", "disk")?;
    t.assert_qmp(&disks, "return[0]/inserted/node-name", "cow2")?;
    chain.verify(t, 3, 2)
}

fn active_layer_without_its_filter(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "top-node": "cow3", "base-node": "cow2" }))?;
    chain.vm.complete_and_wait("commit")?;
    for (node, expected) in [("top-filter", true), ("cow3", false), ("cow2", true)] {
        chain.has(t, node, expected)?;
    }
    chain.vm.assert_block_path("top-filter", "/file", Some("cow2"))?;
    chain.verify(t, 3, 2)
}

/// The backing file that counts is the one that is open, not the one that the image names.
fn other_backing_file(t: &mut Test) -> TestResult {
    let [named, open, top] = t.files(["named", "open", "top"]);
    for base in [&named, &open] {
        t.qemu_img_create(["-f", t.imgfmt(), base, "1M"])?;
    }
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &named, "-F", t.imgfmt(), &top])?;
    t.write_pattern(&top, 0x42, "0", "64k")?;
    let node = |name: &str, path: &str, backing: Value| {
        json!({
            "node-name": name, "driver": t.imgfmt(), "backing": backing,
            "file": { "driver": "file", "filename": path },
        })
    };
    let mut vm = t.vm().launch()?;
    vm.cmd("blockdev-add", node("top", &top, node("base", &open, Value::Null)))?;
    let reply = vm.qmp("block-commit", json!({ "job-id": "commit", "device": "top", "base": named }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    vm.cmd("block-commit", json!({ "job-id": "commit", "device": "top", "base": open }))?;
    vm.complete_and_wait("commit")?;
    vm.shutdown()?;
    t.verify_pattern(&open, 0x42, "0", "64k")?;
    t.verify_pattern(&named, 0, "0", "64k")
}
