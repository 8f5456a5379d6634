//! Which options of an open node can be changed, and what becomes of those that are left out.
use iotests::prelude::*;

/// Nodes over `hd<n>`, of which the second has the first as its backing file.
struct Disks {
    paths: Vec<ScratchFile>,
    imgfmt: String,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "quick"]);
    let mut disks = s.fixture("", Disks::open);
    disks.test("one_image", one_image);
    disks.test("with_backing_file", with_backing_file);
    disks.test("read_only", read_only);
    disks.test("cache", cache);
    disks.test("detect_zeroes", detect_zeroes);
    disks.test("of_qcow2", of_qcow2).unsupported_imgopts(["cluster_size"]);
    disks.test("node_names_left_out", node_names_left_out);
    disks.test("back_to_default", back_to_default);
    disks.test("backing_is_needed", backing_is_needed);
    disks.test("backing_of_the_image_is_needed", backing_of_the_image_is_needed);
    disks.test("backing_by_reference", backing_by_reference);
    s.test("raw_offset", raw_offset);
}

impl Disks {
    fn open(t: &mut Test) -> TestResult<Self> {
        let paths: Vec<_> = (0..3).map(|n| t.file(&format!("hd{n}"))).collect();
        t.qemu_img_create(["-f", t.imgfmt(), &paths[0], "1M"])?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &paths[0], "-F", t.imgfmt(), &paths[1]])?;
        t.qemu_img_create(["-f", t.imgfmt(), &paths[2], "1M"])?;
        Ok(Self { paths, imgfmt: t.imgfmt().to_owned(), vm: t.vm().launch()? })
    }

    /// The usual options of a node.
    fn node(&self, n: usize) -> Value {
        json!({
            "driver": self.imgfmt, "node-name": format!("hd{n}"),
            "file": { "driver": "file", "node-name": format!("hd{n}-file"), "filename": self.paths[n] },
        })
    }

    /// Those of a node over another one.
    fn over(&self, n: usize, backing: Value) -> Value {
        changed(&self.node(n), "backing", backing)
    }

    fn add(&mut self, node: &Value) -> TestResult {
        self.vm.cmd("blockdev-add", node)?;
        Ok(())
    }

    fn reopen(&mut self, options: &Value) -> TestResult {
        self.vm.cmd("blockdev-reopen", json!({ "options": [options] }))?;
        Ok(())
    }

    fn refuses(&mut self, t: &Test, options: &Value, why: &str) -> TestResult {
        let reply = self.vm.qmp("blockdev-reopen", json!({ "options": [options] }))?;
        t.assert_qmp(&reply, "error/desc", why)
    }

    /// All there is to know of all nodes.
    fn graph(&mut self) -> TestResult<Value> {
        Ok(self.vm.query("query-named-block-nodes")?)
    }

    fn info(&mut self, node: &str) -> TestResult<Value> {
        Ok(self.vm.node_info(node)?.unwrap_or_default())
    }

    fn remove(&mut self, nodes: &[&str]) -> TestResult {
        for node in nodes {
            self.vm.cmd("blockdev-del", json!({ "node-name": node }))?;
        }
        Ok(())
    }
}

/// Options with another value at a dotted path, whose last step may be new.
fn changed(options: &Value, path: &str, value: Value) -> Value {
    let mut options = options.clone();
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parent.split('.').filter(|step| !step.is_empty());
    parent.fold(&mut options, |at, step| &mut at[step])[key] = value;
    options
}

/// Options without the one at a dotted path.
fn without(options: &Value, path: &str) -> Value {
    let mut options = options.clone();
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parent.split('.').filter(|step| !step.is_empty());
    let parent = parent.fold(&mut options, |at, step| &mut at[step]);
    parent.as_object_mut().map(|map| map.shift_remove(key));
    options
}

fn one_image(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.node(0);
    disks.add(&node)?;
    let graph = disks.graph()?;
    disks.reopen(&node)?;
    disks.reopen(&changed(&node, "file", json!("hd0-file")))?;
    let other = json!(disks.paths[1]);
    for (path, value, why) in [
        ("node-name", json!("none"), "Failed to find node with node-name='none'"),
        ("node-name", json!(""), "Failed to find node with node-name=''"),
        ("node-name", json!(null), "Invalid parameter type for 'options[0].node-name', expected: string"),
        ("driver", json!("raw"), "Cannot change the option 'driver'"),
        ("driver", json!(""), "Parameter 'driver' does not accept value ''"),
        ("driver", json!(null), "Invalid parameter type for 'options[0].driver', expected: string"),
        ("file", json!("none"), "Cannot find device='' nor node-name='none'"),
        ("file", json!(""), "Cannot find device='' nor node-name=''"),
        ("file", json!(null), "Invalid parameter type for 'file', expected: BlockdevRef"),
        ("file.node-name", json!("new"), "Cannot change the option 'node-name'"),
        ("file.driver", json!("host_device"), "Cannot change the option 'driver'"),
        ("file.filename", other, "Cannot change the option 'filename'"),
        ("file.aio", json!("native"), "Cannot change the option 'aio'"),
        ("file.locking", json!("off"), "Cannot change the option 'locking'"),
        (
            "file.filename",
            json!(null),
            "Invalid parameter type for 'options[0].file.filename', expected: string",
        ),
        ("force-share", json!(true), "Cannot change the option 'force-share'"),
    ] {
        disks.refuses(t, &changed(&node, path, value), why)?;
    }
    disks.refuses(t, &without(&node, "node-name"), "node-name not specified")?;
    t.assert_eq(&disks.graph()?, &graph)?;
    disks.remove(&["hd0"])
}

fn with_backing_file(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.node(1);
    disks.add(&node)?;
    let graph = disks.graph()?;
    disks.refuses(t, &node, "backing is missing for 'hd1'")?;
    // The backing node that the image asked for has a name of QEMU's.
    let nodes = graph["return"].as_array().into_iter().flatten();
    let file = json!(disks.paths[0]);
    let backing = nodes.into_iter().find(|node| node["drv"] == *disks.imgfmt && node["file"] == file);
    let backing = backing.map(|node| node["node-name"].clone()).unwrap_or_default();
    disks.reopen(&disks.over(1, backing))?;
    for (name, why) in [
        ("none", "Cannot find device='' nor node-name='none'"),
        ("", "Cannot find device='' nor node-name=''"),
    ] {
        disks.refuses(t, &disks.over(1, json!(name)), why)?;
    }
    let file = json!({ "driver": "file", "filename": disks.paths[0] });
    let node = disks.over(1, json!({ "driver": disks.imgfmt, "file": file }));
    disks.reopen(&node)?;
    for (path, value, option) in [
        ("backing.node-name", "new", "node-name"),
        ("backing.driver", "raw", "driver"),
        ("backing.file.node-name", "new", "node-name"),
        ("backing.file.driver", "host_device", "driver"),
    ] {
        let why = format!("Cannot change the option '{option}'");
        disks.refuses(t, &changed(&node, path, json!(value)), &why)?;
    }
    t.assert_eq(&disks.graph()?, &graph)?;
    disks.remove(&["hd1"])
}

fn read_only(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.over(1, disks.node(0));
    disks.add(&node)?;
    let graph = disks.graph()?;
    t.assert_qmp(&disks.info("hd1")?, "ro", false)?;
    disks.reopen(&changed(&node, "read-only", json!(true)))?;
    t.assert_qmp(&disks.info("hd1")?, "ro", true)?;
    disks.reopen(&node)?;
    t.assert_eq(&disks.graph()?, &graph)
}

fn cache(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.over(1, disks.node(0));
    disks.add(&node)?;
    let graph = disks.graph()?;
    let info = disks.info("hd1")?;
    for (option, expected) in [("writeback", true), ("direct", false), ("no-flush", false)] {
        t.assert_qmp(&info, &format!("cache/{option}"), expected)?;
    }
    disks.reopen(&changed(&node, "cache", json!({ "no-flush": true })))?;
    t.assert_qmp(&disks.info("hd1")?, "cache/no-flush", true)?;
    disks.reopen(&node)?;
    t.assert_eq(&disks.graph()?, &graph)?;

    let direct = changed(&node, "cache", json!({ "direct": true }));
    let reply = disks.vm.qmp("blockdev-reopen", json!({ "options": [direct] }))?;
    if let Some(error) = reply.get("error") {
        t.case_not_run(format!("no direct I/O on this file system: {error}"));
        return Ok(());
    }
    t.assert_qmp(&disks.info("hd1")?, "cache/direct", true)?;
    disks.reopen(&node)?;
    t.assert_eq(&disks.graph()?, &graph)
}

fn detect_zeroes(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.over(1, disks.node(0));
    disks.add(&node)?;
    t.assert_qmp(&disks.info("hd1")?, "detect_zeroes", "off")?;
    disks.reopen(&changed(&node, "detect-zeroes", json!("on")))?;
    t.assert_qmp(&disks.info("hd1")?, "detect_zeroes", "on")?;
    let unmap = changed(&node, "detect-zeroes", json!("unmap"));
    let why = "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap";
    disks.refuses(t, &unmap, why)?;
    t.assert_qmp(&disks.info("hd1")?, "detect_zeroes", "on")?;
    disks.reopen(&changed(&unmap, "discard", json!("unmap")))?;
    t.assert_qmp(&disks.info("hd1")?, "detect_zeroes", "unmap")?;
    disks.reopen(&node)?;
    t.assert_qmp(&disks.info("hd1")?, "detect_zeroes", "off")
}

/// Whether such options took effect cannot be seen, only that they were accepted.
fn of_qcow2(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.node(0);
    disks.add(&node)?;
    let with = |options: Value| {
        let all = options.as_object().into_iter().flatten();
        all.fold(node.clone(), |node, (key, value)| changed(&node, key, value.clone()))
    };
    disks.refuses(
        t,
        &with(json!({ "l2-cache-entry-size": 128 << 10 })),
        "L2 cache entry size must be a power of two between 512 and the cluster size (65536)",
    )?;
    disks.refuses(
        t,
        &with(json!({ "l2-cache-size": 1 << 20, "cache-size": 512 << 10 })),
        "l2-cache-size may not exceed cache-size",
    )?;
    disks.reopen(&with(json!({
        "l2-cache-size": 4 << 20, "refcount-cache-size": 4 << 20, "l2-cache-entry-size": 32 << 10,
    })))?;
    disks.reopen(&with(json!({ "pass-discard-request": true })))?;
    disks.reopen(&node)
}

/// Only the node that is reopened has to be named.
fn node_names_left_out(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.over(1, disks.node(0));
    disks.add(&node)?;
    let graph = disks.graph()?;
    let paths = ["file.node-name", "backing.node-name", "backing.file.node-name"];
    let nameless = paths.iter().fold(node, |node, path| without(&node, path));
    disks.reopen(&nameless)?;
    t.assert_eq(&disks.graph()?, &graph)?;

    // What is detached is closed; opened again, it is somebody else's to change.
    disks.reopen(&changed(&nameless, "backing", json!(null)))?;
    t.assert_qmp_absent(&disks.info("hd1")?, "image/backing-image")?;
    disks.add(&disks.node(0))?;
    disks.reopen(&changed(&nameless, "backing", json!("hd0")))?;
    t.assert_qmp(&disks.info("hd1")?, "image/backing-image/filename", disks.paths[0].as_str())?;
    disks.reopen(&changed(&disks.node(0), "read-only", json!(true)))?;
    t.assert_eq(&disks.graph()?, &graph)?;
    disks.refuses(t, &nameless, "Cannot change the option 'backing.driver'")?;
    let reply = disks.vm.qmp("blockdev-del", json!({ "node-name": "hd0" }))?;
    t.assert_qmp(&reply, "error/desc", "Node 'hd0' is busy: node is used as backing hd of 'hd1'")?;
    disks.remove(&["hd1", "hd0"])
}

/// An option that is left out gets its default, unless it cannot be changed at all.
fn back_to_default(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = changed(&disks.node(0), "file.locking", json!("off"));
    let checked = changed(&node, "file.x-check-cache-dropped", json!(true));
    disks.add(&checked)?;
    disks.reopen(&changed(&node, "file.x-check-cache-dropped", json!(false)))?;
    disks.reopen(&node)?;
    let locked = changed(&node, "file.locking", json!("on"));
    disks.refuses(t, &locked, "Cannot change the option 'locking'")?;
    let unsaid = without(&node, "file.locking");
    disks.refuses(t, &unsaid, "Option 'locking' cannot be reset to its default value")?;
    disks.reopen(&node)?;
    disks.remove(&["hd0"])
}

fn backing_is_needed(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.node(0);
    disks.add(&disks.node(2))?;
    disks.add(&node)?;
    disks.reopen(&node)?;
    disks.reopen(&disks.over(0, json!("hd2")))?;
    disks.refuses(t, &node, "backing is missing for 'hd0'")?;
    let reply = disks.vm.qmp("blockdev-del", json!({ "node-name": "hd2" }))?;
    t.assert_qmp(&reply, "error/desc", "Node 'hd2' is busy: node is used as backing hd of 'hd0'")?;
    disks.reopen(&disks.over(0, json!(null)))?;
    disks.reopen(&node)?;
    disks.remove(&["hd0", "hd2"])
}

/// An image that names a backing file never goes without the option, attached or not.
fn backing_of_the_image_is_needed(t: &mut Test, disks: &mut Disks) -> TestResult {
    let node = disks.node(1);
    disks.add(&node)?;
    disks.refuses(t, &node, "backing is missing for 'hd1'")?;
    disks.reopen(&disks.over(1, json!(null)))?;
    disks.refuses(t, &node, "backing is missing for 'hd1'")?;
    disks.remove(&["hd1"])
}

/// A child that is only named keeps its options; the node itself loses what is not said again.
fn backing_by_reference(t: &mut Test, disks: &mut Disks) -> TestResult {
    let zeroes = |node: &Value| changed(node, "detect-zeroes", json!("on"));
    let hd2 = zeroes(&disks.node(2));
    let hd1 = zeroes(&disks.over(1, hd2));
    disks.add(&zeroes(&disks.over(0, hd1)))?;
    let least = json!({ "driver": disks.imgfmt, "node-name": "hd0", "file": "hd0-file", "backing": "hd1" });
    disks.reopen(&least)?;
    for (node, expected) in [("hd0", "off"), ("hd1", "on"), ("hd2", "on")] {
        t.assert_qmp(&disks.info(node)?, "detect_zeroes", expected)?;
    }
    Ok(())
}

/// Seen through another offset, an image holds other data.
fn raw_offset(t: &mut Test) -> TestResult {
    let path = t.file("hd0");
    t.qemu_img_create(["-f", "raw", &path, "2M"])?;
    t.qemu_io(["-f", "raw", "-c", "write -P 0xa0 0 1M", "-c", "write -P 0xa1 1M 1M", &path])?;
    let file = json!({ "driver": "file", "node-name": "hd0-file", "filename": path });
    let node = json!({ "driver": "raw", "node-name": "hd0", "file": file });
    let mut vm = t.vm().blockdev(node.clone()).launch()?;
    vm.drive_io("hd0", "read -P 0xa0 0 1M")?;
    let shifted = changed(&node, "offset", json!(1 << 20));
    vm.cmd("blockdev-reopen", json!({ "options": [shifted] }))?;
    vm.drive_io("hd0", "read -P 0xa1 0 1M")?;
    vm.cmd("blockdev-reopen", json!({ "options": [node] }))?;
    vm.drive_io("hd0", "read -P 0xa0 0 1M")?;
    Ok(vm.shutdown()?)
}
