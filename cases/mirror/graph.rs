//! Mirrors of nodes without a user, of filters, and of what is below filters.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["rw", "quick"]);
    let mut orphan = s.fixture("orphan", orphan);
    orphan.test("without_job_id", without_job_id);
    orphan.test("completed", orphan_completed);
    orphan.test("read_only_target", read_only_target);
    orphan
        .test("target_not_shared_at_the_end", target_not_shared_at_the_end)
        .ignores_stderr("Permission conflict on node 'target'", "the job meets it when it ends");
    s.test("replaces_a_filter", replaces_a_filter);
    let mut overlay = s.fixture("overlay", Overlay::create);
    overlay
        .test("from_copy_on_read", from_copy_on_read)
        .formats(FORMATS)
        .unsupported_imgopts(["cluster_size"]);
    overlay.test("unnamed_filter", unnamed_filter).formats(FORMATS).requires(Requirement::VirtioScsi);
    overlay.test("named_filter", named_filter).formats(FORMATS).requires(Requirement::VirtioScsi);
}

const FORMATS: [&str; 2] = ["qcow2", "qed"];

/// A VM with nodes that nothing uses.
fn orphan(t: &mut Test) -> TestResult<Vm> {
    let nodes = ["node-name=source", "node-name=target", "node-name=read-only,read-only=on"];
    let vm = nodes.iter().fold(t.vm(), |vm, node| vm.blockdev(format!("driver=null-co,size=1048576,{node}")));
    Ok(vm.launch()?)
}

fn mirror(target: &str) -> Args {
    json!({ "job-id": "job0", "device": "source", "sync": "full", "target": target }).into()
}

fn without_job_id(t: &mut Test, vm: &mut Vm) -> TestResult {
    let reply = vm.qmp("blockdev-mirror", mirror("target").with(json!({ "job-id": null })))?;
    t.assert_qmp(&reply, "error/desc", "Invalid job ID ''")
}

fn orphan_completed(_: &mut Test, vm: &mut Vm) -> TestResult {
    vm.cmd("blockdev-mirror", mirror("target"))?;
    vm.complete_and_wait("job0")?;
    Ok(())
}

fn read_only_target(t: &mut Test, vm: &mut Vm) -> TestResult {
    let reply = vm.qmp("blockdev-mirror", mirror("read-only"))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    vm.assert_no_active_block_jobs()
}

/// A user that appears meanwhile wants more of the source than the target can give. The job fails,
/// and takes nothing but its own filter with it.
fn target_not_shared_at_the_end(t: &mut Test, vm: &mut Vm) -> TestResult {
    vm.cmd(
        "blockdev-add",
        json!({
            "driver": "blkdebug", "node-name": "greedy-target", "image": "target",
            "unshare-child-perms": ["consistent-read"],
        }),
    )?;
    vm.cmd("blockdev-mirror", mirror("target").with(json!({ "filter-node-name": "filter" })))?;
    vm.cmd(
        "blockdev-add",
        json!({
            "driver": "blkdebug", "node-name": "source-user", "image": "source",
            "take-child-perms": ["consistent-read"],
        }),
    )?;
    vm.complete_and_fail("job0", "Operation not permitted")?;
    for node in ["source", "source-user", "target", "greedy-target"] {
        vm.assert_has_block_node(Some(node), None)?;
    }
    t.assert(vm.node_info("filter")?.is_none(), "the filter of the mirror is gone")
}

fn replaces_a_filter(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let lower = json!({ "driver": "copy-on-read", "node-name": "lower", "file": { "driver": "null-co" } });
    vm.cmd("blockdev-add", json!({ "driver": "copy-on-read", "node-name": "upper", "file": lower }))?;
    vm.cmd("blockdev-add", json!({ "driver": "null-co", "node-name": "target" }))?;
    vm.cmd(
        "blockdev-mirror",
        json!({ "job-id": "job0", "device": "upper", "target": "target", "sync": "full", "replaces": "lower" }),
    )?;
    vm.complete_and_wait("job0")?;
    vm.assert_block_path("upper", "/file", Some("target"))
}

/// Half of the data is in the backing file, the other half above it.
struct Overlay {
    backing: ScratchFile,
    image: ScratchFile,
    target: ScratchFile,
    /// The source as a node, with its backing node in it.
    node: Value,
    vm: Vm,
}

impl Overlay {
    fn create(t: &mut Test) -> TestResult<Self> {
        let [backing, image, target] = t.files(["backing", "image", "target"]);
        t.qemu_img_create(["-f", t.imgfmt(), &backing, "1M"])?;
        for overlay in [&image, &target] {
            t.qemu_img_create(["-f", t.imgfmt(), "-b", &backing, "-F", t.imgfmt(), overlay])?;
        }
        t.write_pattern(&backing, 1, "0", "512k")?;
        t.write_pattern(&image, 2, "512k", "512k")?;
        let node = |name: &str, path: &str, backing: Value| {
            json!({
                "node-name": name, "driver": t.imgfmt(), "backing": backing,
                "file": { "driver": "file", "filename": path },
            })
        };
        let source = node("source", &image, node("backing", &backing, Value::Null));
        let vm =
            t.vm().device("virtio-scsi,id=scsi").blockdev(node("target", &target, Value::Null)).launch()?;
        Ok(Self { backing, image, target, node: source, vm })
    }

    /// Opens the source for a disk, and starts to mirror its top layer.
    fn mirror_under_disk(&mut self, how: Value) -> TestResult {
        self.vm.cmd("blockdev-add", &self.node)?;
        let disk = json!({ "driver": "scsi-hd", "id": "disk", "bus": "scsi.0", "drive": "source" });
        self.vm.cmd("device_add", disk)?;
        let of_the_top = mirror("target").with(json!({ "sync": "top" }));
        self.vm.cmd("blockdev-mirror", of_the_top.with(how))?;
        Ok(())
    }
}

/// The top layer of a filter is that of the image below it.
fn from_copy_on_read(t: &mut Test, overlay: &mut Overlay) -> TestResult {
    let filter = json!({ "node-name": "filter", "driver": "copy-on-read", "file": overlay.node });
    overlay.vm.cmd("blockdev-add", filter)?;
    overlay.vm.cmd(
        "blockdev-mirror",
        json!({ "job-id": "job0", "device": "filter", "target": "target", "sync": "top" }),
    )?;
    overlay.vm.complete_and_wait("job0")?;
    overlay.vm.shutdown()?;
    let map = t.qemu_img_map(["-f", t.imgfmt(), &overlay.target])?;
    for (path, expected) in [
        ("parts[0]/start", 0),
        ("parts[0]/length", 512 << 10),
        ("parts[0]/depth", 1),
        ("parts[1]/start", 512 << 10),
        ("parts[1]/length", 512 << 10),
        ("parts[1]/depth", 0),
    ] {
        t.assert_qmp(&json!({ "parts": map }), path, expected)?;
    }
    Ok(())
}

fn unnamed_filter(t: &mut Test, overlay: &mut Overlay) -> TestResult {
    overlay.mirror_under_disk(json!({}))?;
    let disks = overlay.vm.query("query-block")?;
    t.assert_qmp(&disks, "return[0]/qdev", "disk")?;
    t.assert_qmp(&disks, "return[0]/inserted/node-name", "source")?;
    let image = "return[0]/inserted/image";
    t.assert_qmp(&disks, &format!("{image}/filename"), overlay.image.as_str())?;
    t.assert_qmp(&disks, &format!("{image}/backing-image/filename"), overlay.backing.as_str())?;
    overlay.vm.complete_and_wait("job0")?;
    Ok(())
}

/// Only a filter that was given a name shows.
fn named_filter(t: &mut Test, overlay: &mut Overlay) -> TestResult {
    overlay.mirror_under_disk(json!({ "filter-node-name": "filter" }))?;
    let disks = overlay.vm.query("query-block")?;
    t.assert_qmp(&disks, "return[0]/inserted/node-name", "filter")?;
    overlay.vm.complete_and_wait("job0")?;
    Ok(())
}
