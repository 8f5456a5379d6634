//! A mirror takes the place of one of the images that vote on what a disk holds.
use iotests::prelude::*;

/// Three images under the quorum node `disk`, each as node `image<n>`.
struct Disk {
    images: Vec<ScratchFile>,
    repaired: ScratchFile,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "quick"]);
    let mut disk = s.fixture("", Disk::open);
    disk.requires(Requirement::Quorum);
    disk.test("completed", completed);
    disk.test("cancelled", cancelled);
    disk.test("cancelled_when_ready", cancelled_when_ready);
    disk.test("paused_and_resumed", paused_and_resumed);
    disk.test("refused", refused);
    disk.test("after_a_snapshot", after_a_snapshot);
    disk.test("child_used_elsewhere", child_used_elsewhere);
    disk.test("child_used_elsewhere_later", child_used_elsewhere_later);
}

impl Disk {
    fn open(t: &mut Test) -> TestResult<Self> {
        let images: Vec<_> = (0..3).map(|n| t.file(&format!("image{n}"))).collect();
        let mut vm = t.vm();
        for (n, image) in images.iter().enumerate() {
            t.qemu_img_create(["-f", t.imgfmt(), image, "1M"])?;
            let file = json!({ "driver": "file", "filename": image });
            let node = json!({ "node-name": format!("image{n}"), "driver": t.imgfmt(), "file": file });
            vm = vm.blockdev(node);
        }
        let mut vm = vm.launch()?;
        let quorum = json!({
            "node-name": "disk", "driver": "quorum", "vote-threshold": 2,
            "children": ["image0", "image1", "image2"],
        });
        vm.cmd("blockdev-add", quorum)?;
        vm.write_pattern("disk", 0x61, "0", "64k")?;
        Ok(Self { images, repaired: t.file("repaired"), vm })
    }

    /// What mirrors the disk into a new image that replaces the second child, with changes.
    fn repair(&self, t: &Test, changes: Value) -> Args {
        let all = json!({
            "job-id": "job0", "device": "disk", "sync": "full", "node-name": "repaired",
            "replaces": "image1", "target": self.repaired, "format": t.imgfmt(),
        });
        Args::from(all).with(changes)
    }

    fn start_repair(&mut self, t: &Test) -> TestResult {
        self.vm.cmd("drive-mirror", self.repair(t, json!({})))?;
        Ok(())
    }

    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        let same = t.compare_images(&self.images[1], &self.repaired)?;
        t.assert(same, "the new image holds what the one that it replaces did")
    }
}

fn completed(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.start_repair(t)?;
    disk.vm.complete_and_wait("job0")?;
    disk.vm.assert_has_block_node(Some("repaired"), Some(&disk.repaired.clone()))?;
    disk.vm.assert_block_path("disk", "/children.1", Some("repaired"))?;
    disk.verify(t)
}

fn cancelled(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.start_repair(t)?;
    let event = disk.vm.cancel_and_wait_with("job0", CancelJob::new().force())?;
    t.assert_qmp(&event, "event", "BLOCK_JOB_CANCELLED")?;
    disk.vm.assert_block_path("disk", "/children.1", Some("image1"))
}

fn cancelled_when_ready(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.start_repair(t)?;
    disk.vm.wait_ready_and_cancel("job0")?;
    disk.vm.assert_block_path("disk", "/children.1", Some("image1"))?;
    disk.vm.assert_has_block_node(None, Some(&disk.images[2].clone()))?;
    disk.verify(t)
}

fn paused_and_resumed(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.start_repair(t)?;
    let paused = disk.vm.pause_job("job0")?;
    let jobs = disk.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/offset", paused["offset"].clone())?;
    disk.vm.cmd("block-job-resume", json!({ "device": "job0" }))?;
    disk.vm.complete_and_wait("job0")?;
    disk.verify(t)
}

fn refused(t: &mut Test, disk: &mut Disk) -> TestResult {
    for changes in [
        json!({ "device": "nonesuch" }),
        json!({ "mode": "existing" }),
        json!({ "sync": null }),
        json!({ "node-name": null }),
        json!({ "replaces": "image7" }),
    ] {
        let reply = disk.vm.qmp("drive-mirror", disk.repair(t, changes))?;
        t.assert_qmp(&reply, "error/class", "GenericError")?;
    }
    disk.vm.assert_no_active_block_jobs()?;
    disk.vm.assert_block_path("disk", "/children.1", Some("image1"))
}

/// Then the snapshot is the child, and the image below it cannot be replaced any more.
fn after_a_snapshot(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.vm.cmd(
        "blockdev-snapshot-sync",
        json!({
            "node-name": "image1", "snapshot-file": t.file("snapshot"), "format": t.imgfmt(),
            "snapshot-node-name": "snapshot",
        }),
    )?;
    let reply = disk.vm.qmp("drive-mirror", disk.repair(t, json!({})))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    disk.vm.cmd("drive-mirror", disk.repair(t, json!({ "replaces": "snapshot" })))?;
    disk.vm.complete_and_wait("job0")?;
    disk.vm.assert_block_path("disk", "/children.1", Some("repaired"))
}

fn start_nbd_server(t: &Test, vm: &mut Vm) -> TestResult {
    let address = json!({ "type": "unix", "data": { "path": t.socket("nbd")? } });
    vm.cmd("nbd-server-start", json!({ "addr": address }))?;
    Ok(())
}

/// Another user of the child would see its data change under its feet.
fn child_used_elsewhere(t: &mut Test, disk: &mut Disk) -> TestResult {
    start_nbd_server(t, &mut disk.vm)?;
    disk.vm.cmd("nbd-server-add", json!({ "device": "image1" }))?;
    let reply = disk.vm.qmp("drive-mirror", disk.repair(t, json!({})))?;
    t.assert_qmp(
        &reply,
        "error/desc",
        "Cannot replace 'image1' by a node mirrored from 'disk', because it cannot be guaranteed that doing \
         so would not lead to an abrupt change of visible data",
    )
}

fn child_used_elsewhere_later(t: &mut Test, disk: &mut Disk) -> TestResult {
    start_nbd_server(t, &mut disk.vm)?;
    disk.start_repair(t)?;
    disk.vm.cmd("nbd-server-add", json!({ "device": "image1" }))?;
    disk.vm.complete_and_fail("job0", "Operation not permitted")?;
    disk.vm.assert_block_path("disk", "/children.1", Some("image1"))?;
    disk.vm.shutdown()?;
    let log = disk.vm.get_log().unwrap_or_default();
    let why = "Can no longer replace 'image1' by 'repaired', because it can no longer be guaranteed that \
               doing so would not lead to an abrupt change of visible data";
    t.assert(log.contains(why), format!("QEMU tells why:\n{log}"))
}
