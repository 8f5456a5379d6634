//! A disk is mirrored by file name or to a node that is open already, at several sizes: to the end,
//! not at all, or until the copy is there.
use iotests::image::create_image;
use iotests::prelude::*;

struct Disk {
    backing: ScratchFile,
    image: ScratchFile,
    target: ScratchFile,
    /// The command, and what it calls its target.
    command: &'static str,
    called: String,
    vm: Vm,
}

const SIZE: u64 = 1 << 20;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    for (suffix, size) in [("", SIZE), ("_empty", 0), ("_unaligned", 1025 << 10)] {
        let mut file = s.fixture(&format!("file{suffix}"), move |t| Disk::open(t, size, Target::File));
        same_for_all(&mut file);
        if size == SIZE {
            file.test("no_medium", no_medium);
            file.test("no_image", no_image);
            file.test("larger_clusters_than_buffer", larger_clusters_than_buffer);
        }
        let mut node = s.fixture(&format!("node{suffix}"), move |t| Disk::open(t, size, Target::Node));
        same_for_all(&mut node);
        if size == SIZE {
            node.test("to_itself", to_itself);
            node.test("not_resized_before_its_end", not_resized_before_its_end);
            node.test("smaller_target", |t, disk| other_size(t, disk, SIZE / 2)).formats(["qcow2"]);
            node.test("larger_target", |t, disk| other_size(t, disk, SIZE * 2));
        }
    }
}

fn same_for_all(disk: &mut Fixture<'_, Disk>) {
    disk.test("completed", completed);
    disk.test("cancelled", cancelled);
    disk.test("cancelled_when_ready", cancelled_when_ready);
    disk.test("paused_and_resumed", paused_and_resumed);
    disk.test("seen_as_before", seen_as_before);
}

enum Target {
    File,
    Node,
}

impl Disk {
    fn open(t: &mut Test, size: u64, kind: Target) -> TestResult<Self> {
        let [backing, image, target] = t.files(["backing", "image", "target"]);
        create_image(&backing, size)?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &backing, "-F", "raw", &image])?;
        let drive = Drive::new(&image).options("node-name=top,backing.node-name=base");
        let mut vm = t.vm().drive_with(drive);
        let (command, called) = match kind {
            Target::File => ("drive-mirror", target.to_string()),
            Target::Node => {
                t.qemu_img_create(["-f", t.imgfmt(), "-b", &backing, "-F", "raw", &target])?;
                vm = vm.blockdev(json!({
                    "node-name": "target", "driver": t.imgfmt(),
                    "file": { "driver": "file", "filename": target },
                }));
                ("blockdev-mirror", "target".to_owned())
            }
        };
        Ok(Self { backing, image, target, command, called, vm: vm.launch()? })
    }

    /// What mirrors all of the drive, with changes.
    fn arguments(&self, changes: Value) -> Args {
        Args::from(json!({ "device": "drive0", "sync": "full", "target": self.called })).with(changes)
    }

    fn mirror(&mut self, changes: Value) -> TestResult {
        self.vm.cmd(self.command, self.arguments(changes))?;
        Ok(())
    }

    /// Demands that the drive has this image open.
    fn uses(&mut self, t: &Test, image: &str) -> TestResult {
        let disks = self.vm.query("query-block")?;
        t.assert_qmp(&disks, "return[0]/inserted/file", image)
    }

    /// Demands that both images hold the same.
    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        let same = t.compare_images(&self.image, &self.target)?;
        t.assert(same, "the target is a copy of the source")
    }
}

fn completed(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.vm.assert_no_active_block_jobs()?;
    // A buffer that is too small is rounded up.
    disk.mirror(json!({ "buf-size": 4096 }))?;
    let event = disk.vm.complete_and_wait("drive0")?;
    t.assert_qmp(&event, "data/type", "mirror")?;
    disk.uses(t, &disk.target.clone())?;
    disk.verify(t)
}

fn cancelled(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.mirror(json!({}))?;
    let event = disk.vm.cancel_and_wait_with("drive0", CancelJob::new().force())?;
    t.assert_qmp(&event, "event", "BLOCK_JOB_CANCELLED")?;
    disk.uses(t, &disk.image.clone())
}

fn cancelled_when_ready(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.mirror(json!({}))?;
    disk.vm.wait_ready_and_cancel("drive0")?;
    disk.uses(t, &disk.image.clone())?;
    disk.verify(t)
}

fn paused_and_resumed(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.mirror(json!({}))?;
    let paused = disk.vm.pause_job("drive0")?;
    disk.uses(t, &disk.image.clone())?;
    let jobs = disk.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/offset", paused["offset"].clone())?;
    t.assert_qmp(&jobs, "return[0]/paused", true)?;
    disk.vm.cmd("block-job-resume", json!({ "device": "drive0" }))?;
    disk.vm.complete_and_wait("drive0")?;
    disk.verify(t)
}

/// The filter that a mirror puts above its source does not show in queries.
fn seen_as_before(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.mirror(json!({}))?;
    for running in [true, false] {
        let disks = disk.vm.query("query-block")?;
        for (path, expected) in [
            ("file", json!(disk.image)),
            ("drv", json!(t.imgfmt())),
            ("backing_file", json!(disk.backing)),
            ("backing_file_depth", json!(1)),
            ("image/filename", json!(disk.image)),
            ("image/backing-image/filename", json!(disk.backing)),
        ] {
            t.assert_qmp(&disks, &format!("return[0]/inserted/{path}"), expected)?;
        }
        let stats = disk.vm.query("query-blockstats")?;
        t.assert_qmp(&stats, "return[0]/node-name", "top")?;
        t.assert_qmp(&stats, "return[0]/backing/node-name", "base")?;
        if running {
            disk.vm.cancel_and_wait_with("drive0", CancelJob::new().force())?;
        }
    }
    Ok(())
}

fn refused(t: &mut Test, disk: &mut Disk, how: Value, why: &str) -> TestResult {
    let reply = disk.vm.qmp(disk.command, disk.arguments(how))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    let desc = t.dictpath(&reply, "error/desc")?.as_str().unwrap_or_default();
    t.assert(desc.contains(why), format!("{desc:?} says {why:?}"))?;
    disk.vm.assert_no_active_block_jobs()
}

fn no_medium(t: &mut Test, disk: &mut Disk) -> TestResult {
    refused(t, disk, json!({ "device": "none" }), "Cannot find device")?;
    disk.vm.shutdown()?;
    disk.vm.configure(|vm| vm.drive_with(Drive::empty().interface("none")));
    disk.vm.launch()?;
    refused(t, disk, json!({ "device": "drive1" }), "has no medium")
}

fn no_image(t: &mut Test, disk: &mut Disk) -> TestResult {
    refused(t, disk, json!({ "mode": "existing" }), "No such file or directory")
}

/// What is copied at once has to be enlarged to the clusters of the target.
fn larger_clusters_than_buffer(t: &mut Test, disk: &mut Disk) -> TestResult {
    let clusters = format!("cluster_size={SIZE}");
    t.qemu_img_create(["-f", t.imgfmt(), "-o", &clusters, &disk.target, &SIZE.to_string()])?;
    disk.mirror(json!({ "mode": "existing", "buf-size": 65536 }))?;
    disk.vm.complete_and_wait("drive0")?;
    disk.uses(t, &disk.target.clone())?;
    disk.verify(t)
}

fn to_itself(t: &mut Test, disk: &mut Disk) -> TestResult {
    let how = json!({ "job-id": "job0", "device": "target" });
    refused(t, disk, how, "Can't mirror node into itself")
}

fn not_resized_before_its_end(t: &mut Test, disk: &mut Disk) -> TestResult {
    disk.mirror(json!({ "job-id": "job0", "auto-finalize": false, "auto-dismiss": false }))?;
    disk.vm.job("job0").wait_status(JobStatus::Ready)?;
    disk.vm.job("job0").complete()?;
    disk.vm.job("job0").wait_status(JobStatus::Pending)?;
    for what in
        [json!({ "device": "drive0" }), json!({ "node-name": "top" }), json!({ "node-name": "target" })]
    {
        let reply = disk.vm.qmp("block_resize", Args::from(what).with(json!({ "size": 65536 })))?;
        t.assert_qmp(&reply, "error/class", "GenericError")?;
    }
    disk.vm.job("job0").finalize()?;
    disk.vm.job("job0").wait_status(JobStatus::Concluded)?;
    let job = disk.vm.job("job0").query()?.unwrap_or_default();
    t.assert_qmp_absent(&job, "error")?;
    disk.vm.job("job0").dismiss()?;
    disk.verify(t)
}

fn other_size(t: &mut Test, disk: &mut Disk, size: u64) -> TestResult {
    disk.vm.cmd("block_resize", json!({ "node-name": "target", "size": size }))?;
    disk.mirror(json!({ "job-id": "job0", "auto-dismiss": false }))?;
    disk.vm.job("job0").wait_status(JobStatus::Concluded)?;
    let job = disk.vm.job("job0").query()?.unwrap_or_default();
    t.assert_qmp(&job, "error", "Source and target image have different sizes")?;
    disk.vm.job("job0").dismiss()?;
    disk.uses(t, &disk.image.clone())
}
