//! Nodes get other children while they are open, and the guest sees the data of those.
use iotests::prelude::*;

/// Three images without backing files, each with a megabyte of its own at another place.
struct Disks {
    paths: Vec<ScratchFile>,
    imgfmt: String,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["cluster_size"]).groups(["rw", "quick"]);
    let mut disks = s.fixture("", Disks::open);
    disks.test("other_backing_files", other_backing_files);
    disks.test("no_cycles", no_cycles);
    disks.test("other_file", other_file);
    disks.test("swapped_files", swapped_files);
    disks.test("throttled", throttled);
    disks.test("compressed", compressed).requires(Requirement::Format("compress".to_owned()));
    disks.test("of_a_blkverify", of_a_blkverify).requires(Requirement::Format("blkverify".to_owned()));
    disks.test("of_a_quorum", of_a_quorum).requires(Requirement::Quorum);
    disks.test("of_a_blkdebug", of_a_blkdebug);
    disks.test("throttle_group", throttle_group);
    disks.test("null_size", null_size);
}

impl Disks {
    fn open(t: &mut Test) -> TestResult<Self> {
        let paths: Vec<_> = (0..3).map(|n| t.file(&format!("hd{n}"))).collect();
        for (n, path) in paths.iter().enumerate() {
            t.qemu_img_create(["-f", t.imgfmt(), path, "3M"])?;
            t.write_pattern(path, 0xa0 + n as u8, &format!("{n}M"), "1M")?;
        }
        Ok(Self { paths, imgfmt: t.imgfmt().to_owned(), vm: t.vm().launch()? })
    }

    fn file(&self, n: usize) -> Value {
        json!({ "driver": "file", "node-name": format!("hd{n}-file"), "filename": self.paths[n] })
    }

    /// A node over one of the images, with other options than the usual ones.
    fn node(&self, n: usize, changes: Value) -> Value {
        let node = json!({ "driver": self.imgfmt, "node-name": format!("hd{n}"), "file": self.file(n) });
        let node = Args::from(node).with(changes).into_object("blockdev-add");
        node.map(Value::Object).unwrap_or_default()
    }

    fn over(&self, n: usize, backing: &str) -> Value {
        self.node(n, json!({ "backing": backing }))
    }

    /// The node over nothing; `with` would take a `null` away.
    fn alone(&self, n: usize) -> Value {
        let mut node = self.node(n, json!({}));
        node["backing"] = Value::Null;
        node
    }

    fn add(&mut self, node: Value) -> TestResult {
        self.vm.cmd("blockdev-add", node)?;
        Ok(())
    }

    fn add_all_alone(&mut self) -> TestResult {
        (0..3).try_for_each(|n| self.add(self.alone(n)))
    }

    fn reopen(&mut self, options: Value) -> TestResult {
        self.vm.cmd("blockdev-reopen", json!({ "options": [options] }))?;
        Ok(())
    }

    fn refuses(&mut self, t: &Test, options: Value, why: &str) -> TestResult {
        let reply = self.vm.qmp("blockdev-reopen", json!({ "options": [options] }))?;
        t.assert_qmp(&reply, "error/desc", why)
    }

    fn remove(&mut self, nodes: &[&str]) -> TestResult {
        for node in nodes {
            self.vm.cmd("blockdev-del", json!({ "node-name": node }))?;
        }
        Ok(())
    }

    /// Demands what a node holds, a byte for each megabyte.
    fn holds(&mut self, node: &str, bytes: [u8; 3]) -> TestResult {
        for (n, byte) in bytes.iter().enumerate() {
            self.vm.drive_io(node, &format!("read -P {byte:#04x} {n}M 1M"))?;
        }
        Ok(())
    }
}

fn other_backing_files(t: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add_all_alone()?;
    disks.holds("hd0", [0xa0, 0, 0])?;
    // hd1 <- hd0
    disks.reopen(disks.over(0, "hd1"))?;
    disks.holds("hd0", [0xa0, 0xa1, 0])?;
    // hd1 <- hd0, hd1 <- hd2
    disks.reopen(disks.over(2, "hd1"))?;
    disks.holds("hd2", [0, 0xa1, 0xa2])?;
    // hd1 <- hd2 <- hd0
    disks.reopen(disks.over(0, "hd2"))?;
    disks.holds("hd0", [0xa0, 0xa1, 0xa2])?;
    // hd2 <- hd0
    disks.reopen(disks.alone(2))?;
    disks.holds("hd0", [0xa0, 0, 0xa2])?;
    // hd2 <- hd1 <- hd0
    disks.reopen(disks.over(1, "hd2"))?;
    disks.reopen(disks.over(0, "hd1"))?;
    disks.holds("hd0", [0xa0, 0xa1, 0xa2])?;
    let cycle = "Making 'hd1' a backing child of 'hd2' would create a cycle";
    disks.refuses(t, disks.over(2, "hd1"), cycle)?;
    // hd2 <- hd0, hd2 <- hd1
    disks.reopen(disks.over(0, "hd2"))?;
    disks.holds("hd1", [0, 0xa1, 0xa2])?;
    disks.refuses(t, disks.over(2, "hd1"), cycle)?;
    let reply = disks.vm.qmp("blockdev-del", json!({ "node-name": "hd2" }))?;
    t.assert_qmp(&reply, "error/desc", "Node 'hd2' is busy: node is used as backing hd of 'hd0'")?;
    disks.reopen(disks.alone(1))?;
    disks.holds("hd1", [0, 0xa1, 0])
}

fn no_cycles(t: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add_all_alone()?;
    let cycle = |child: &str| format!("Making '{child}' a backing child of 'hd1' would create a cycle");
    disks.reopen(disks.over(0, "hd1"))?;
    disks.reopen(disks.over(2, "hd1"))?;
    disks.refuses(t, disks.over(1, "hd2"), &cycle("hd2"))?;
    disks.reopen(disks.over(2, "hd0"))?;
    disks.refuses(t, disks.over(1, "hd2"), &cycle("hd2"))?;
    disks.refuses(t, disks.over(1, "hd1"), &cycle("hd1"))
}

fn other_file(t: &mut Test, disks: &mut Disks) -> TestResult {
    for n in 0..2 {
        t.qemu_img_create(["-f", "raw", &disks.paths[n], "64k"])?;
        disks.add(disks.file(n))?;
    }
    let node = |file: &str| json!({ "driver": "raw", "node-name": "hd", "file": file });
    disks.add(node("hd0-file"))?;
    disks.vm.write_pattern("hd", 0xa0, "0", "64k")?;
    disks.reopen(node("hd1-file"))?;
    disks.vm.drive_io("hd", "read -P 0 0 64k")?;
    disks.vm.write_pattern("hd", 0xa1, "0", "64k")?;
    disks.reopen(node("hd0-file"))?;
    disks.vm.drive_io("hd", "read -P 0xa0 0 64k")?;
    disks.reopen(node("hd1-file"))?;
    disks.vm.drive_io("hd", "read -P 0xa1 0 64k")?;
    Ok(())
}

/// An image has one writer, so two disks can only change files at the same moment.
fn swapped_files(t: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add(disks.node(0, json!({})))?;
    disks.add(disks.node(2, json!({})))?;
    disks.holds("hd0", [0xa0, 0, 0])?;
    let conflict = |taken: &str, owner: &str, taker: &str| {
        format!(
            "Permission conflict on node '{taken}': permissions 'write, resize' are both required by node \
             '{owner}' (uses node '{taken}' as 'file' child) and unshared by node '{taker}' (uses node \
             '{taken}' as 'file' child)."
        )
    };
    let with_file = |disks: &Disks, n: usize, file: &str| disks.node(n, json!({ "file": file }));
    let (hd0, hd2) = (with_file(disks, 0, "hd2-file"), with_file(disks, 2, "hd0-file"));
    disks.refuses(t, hd0.clone(), &conflict("hd2-file", "hd2", "hd0"))?;
    disks.refuses(t, hd2.clone(), &conflict("hd0-file", "hd0", "hd2"))?;
    disks.vm.cmd("blockdev-reopen", json!({ "options": [hd0, hd2] }))?;
    disks.holds("hd0", [0, 0, 0xa2])?;
    disks.holds("hd2", [0xa0, 0, 0])?;
    let (hd0, hd2) = (with_file(disks, 0, "hd0-file"), with_file(disks, 2, "hd2-file"));
    disks.vm.cmd("blockdev-reopen", json!({ "options": [hd0, hd2] }))?;
    disks.holds("hd0", [0xa0, 0, 0])
}

fn add_throttle_group(disks: &mut Disks, name: &str) -> TestResult {
    let limits = json!({ "iops-total": 1000 });
    disks.vm.cmd("object-add", json!({ "qom-type": "throttle-group", "id": name, "limits": limits }))?;
    Ok(())
}

/// A filter comes between a format and its file, and goes.
fn throttled(_: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add(disks.node(0, json!({})))?;
    add_throttle_group(disks, "group0")?;
    disks.add(json!({
        "driver": "throttle", "node-name": "throttle0", "throttle-group": "group0", "file": "hd0-file",
    }))?;
    disks.reopen(disks.node(0, json!({ "file": "throttle0" })))?;
    disks.vm.assert_block_path("hd0", "/file/file", Some("hd0-file"))?;
    disks.holds("hd0", [0xa0, 0, 0])?;
    disks.reopen(disks.node(0, json!({ "file": "hd0-file" })))?;
    disks.vm.assert_block_path("hd0", "/file", Some("hd0-file"))?;
    disks.holds("hd0", [0xa0, 0, 0])
}

/// What is written while the filter is there is compressed, and nothing else.
fn compressed(t: &mut Test, disks: &mut Disks) -> TestResult {
    let image = disks.node(0, json!({}));
    disks.add(json!({ "driver": "raw", "node-name": "hd", "file": image, "discard": "unmap" }))?;
    disks.add(json!({ "driver": "compress", "node-name": "compress0", "file": "hd0" }))?;
    let over = |file: &str| json!({ "driver": "raw", "node-name": "hd", "file": file, "discard": "unmap" });
    // A cluster that is there already cannot be written compressed.
    disks.vm.drive_io("hd", "write -z -u 0 128k")?;
    disks.vm.write_pattern("hd", 0xa0, "0", "64k")?;
    disks.reopen(over("compress0"))?;
    disks.vm.write_pattern("hd", 0xa1, "64k", "64k")?;
    disks.reopen(over("hd0"))?;
    disks.vm.write_pattern("hd", 0xa2, "128k", "64k")?;
    for (byte, offset) in [("0xa0", "0"), ("0xa1", "64k"), ("0xa2", "128k")] {
        disks.vm.drive_io("hd", &format!("read -P {byte} {offset} 64k"))?;
    }
    disks.vm.shutdown()?;
    let map = t.qemu_img_map(["-f", t.imgfmt(), &disks.paths[0]])?;
    // Only compressed data has no offset in the file that could be told.
    let is_compressed = |part: &&Value| part["data"] == true && part.get("offset").is_none();
    let parts = map.as_array().into_iter().flatten().filter(is_compressed);
    let starts: Vec<_> = parts.map(|part| part["start"].as_u64()).collect();
    t.assert_eq(starts, vec![Some(64 << 10)])
}

fn of_a_blkverify(t: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add_all_alone()?;
    let verify = json!({ "driver": "blkverify", "node-name": "verify", "test": "hd0", "raw": "hd1" });
    disks.add(verify.clone())?;
    let why = "Block format 'blkverify' used by node 'verify' does not support reopening files";
    disks.refuses(t, verify, why)?;
    let cycle = "Making 'verify' a backing child of 'hd0' would create a cycle";
    disks.refuses(t, disks.over(0, "verify"), cycle)?;
    disks.remove(&["verify"])
}

fn of_a_quorum(t: &mut Test, disks: &mut Disks) -> TestResult {
    disks.add_all_alone()?;
    let children = ["hd0", "hd1", "hd2"];
    let quorum =
        json!({ "driver": "quorum", "node-name": "quorum0", "children": children, "vote-threshold": 2 });
    disks.add(quorum.clone())?;
    let why = "Block format 'quorum' used by node 'quorum0' does not support reopening files";
    disks.refuses(t, quorum, why)?;
    let cycle = "Making 'quorum0' a backing child of 'hd0' would create a cycle";
    disks.refuses(t, disks.over(0, "quorum0"), cycle)?;
    disks.remove(&["quorum0", "hd0", "hd1", "hd2"])
}

fn of_a_blkdebug(t: &mut Test, disks: &mut Disks) -> TestResult {
    let image = disks.node(0, json!({}));
    let options = |changes: Value| {
        let node =
            json!({ "driver": "blkdebug", "node-name": "debug", "config": "/dev/null", "image": image });
        Args::from(node).with(changes).into_object("blockdev-reopen").map(Value::Object)
    };
    disks.add(options(json!({}))?)?;
    disks.reopen(options(json!({}))?)?;
    for (option, value) in
        [("image", json!("hd1")), ("align", json!(33_554_432)), ("config", json!("/non/existent"))]
    {
        let why = format!("Cannot change the option '{option}'");
        disks.refuses(t, options(json!({ option: value }))?, &why)?;
    }
    let why = "Option 'config' cannot be reset to its default value";
    disks.refuses(t, options(json!({ "config": null }))?, why)?;
    disks.remove(&["debug"])
}

/// A throttled node changes groups; the one that it is in cannot go.
fn throttle_group(t: &mut Test, disks: &mut Disks) -> TestResult {
    add_throttle_group(disks, "group0")?;
    add_throttle_group(disks, "group1")?;
    let image = disks.node(0, json!({}));
    let in_group = |group: &str| json!({ "driver": "throttle", "node-name": "throttle0", "throttle-group": group, "file": image });
    disks.add(in_group("group0"))?;
    disks.reopen(in_group("group0"))?;
    disks.refuses(t, in_group("none"), "Throttle group 'none' does not exist")?;
    for (group, other) in [("group1", "group0"), ("group0", "group1")] {
        disks.reopen(in_group(group))?;
        let reply = disks.vm.qmp("object-del", json!({ "id": group }))?;
        t.assert_qmp(&reply, "error/class", "GenericError")?;
        // It is still there.
        let limits = json!({ "path": format!("/objects/{group}"), "property": "limits" });
        disks.vm.cmd("qom-get", limits)?;
        disks.vm.cmd("object-del", json!({ "id": other }))?;
        add_throttle_group(disks, other)?;
    }
    disks.remove(&["throttle0"])?;
    disks.vm.cmd("object-del", json!({ "id": "group0" }))?;
    Ok(())
}

fn null_size(t: &mut Test, disks: &mut Disks) -> TestResult {
    let null = json!({ "driver": "null-co", "node-name": "null", "size": 1024 });
    disks.add(null.clone())?;
    disks.reopen(null)?;
    let default = json!({ "driver": "null-co", "node-name": "null", "size": 1 << 30 });
    disks.refuses(t, default, "Cannot change the option 'size'")?;
    let unsaid = json!({ "driver": "null-co", "node-name": "null" });
    disks.refuses(t, unsaid, "Option 'size' cannot be reset to its default value")?;
    disks.remove(&["null"])
}
