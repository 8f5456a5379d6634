//! When the job of a backup that is over goes away: by itself, or once it is dismissed.
use iotests::prelude::*;

struct Drive0 {
    target: ScratchFile,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backup", "quick"]);
    let mut drive = s.fixture("", Drive0::open);
    drive.test("by_itself", by_itself);
    drive.test("by_hand", by_hand);
    drive.test("unknown_job", unknown_job);
    drive.test("name_taken", name_taken);
    drive.test("too_early", too_early).params(["by_itself", "by_hand"]);
}

impl Drive0 {
    fn open(t: &mut Test) -> TestResult<Self> {
        let [image, target] = t.files(["image", "target"]);
        t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
        t.write_pattern(&image, 0x9a, "0", "512")?;
        let vm = t.vm().drive(&image).launch()?;
        Ok(Self { target, vm })
    }

    /// What backs the drive up, and takes its job away by itself or not.
    fn arguments(&self, t: &Test, by_itself: bool) -> Args {
        let target = &self.target;
        Args::from(json!({
            "device": "drive0", "sync": "full", "format": t.imgfmt(), "target": target,
            "auto-dismiss": by_itself,
        }))
    }

    fn completed(&mut self, t: &Test) -> TestResult {
        let event = self.vm.event_wait("BLOCK_JOB_COMPLETED")?;
        t.assert_qmp(&event, "data/offset", event["data"]["len"].clone())?;
        t.assert_qmp_absent(&event, "data/error")
    }

    /// Demands that the job is over and still there, and dismisses it.
    fn dismiss(&mut self, t: &Test) -> TestResult {
        let jobs = self.vm.query("query-block-jobs")?;
        t.assert_qmp(&jobs, "return[0]/status", "concluded")?;
        self.vm.cmd("block-job-dismiss", json!({ "id": "drive0" }))?;
        self.vm.assert_no_active_block_jobs()
    }
}

fn by_itself(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.vm.cmd("drive-backup", drive.arguments(t, true))?;
    drive.completed(t)?;
    drive.vm.assert_no_active_block_jobs()
}

fn by_hand(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.vm.cmd("drive-backup", drive.arguments(t, false))?;
    drive.completed(t)?;
    drive.dismiss(t)
}

fn unknown_job(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let reply = drive.vm.qmp("block-job-dismiss", json!({ "id": "nonesuch" }))?;
    t.assert_qmp(&reply, "error/class", "DeviceNotActive")
}

/// A job that is over keeps its name until it is dismissed.
fn name_taken(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.vm.cmd("drive-backup", drive.arguments(t, false))?;
    drive.completed(t)?;
    let again = drive.arguments(t, false).with(json!({ "target": t.file("other") }));
    let reply = drive.vm.qmp("drive-backup", again.clone())?;
    t.assert_qmp(&reply, "error/desc", "Job ID 'drive0' already in use")?;
    drive.dismiss(t)?;
    drive.vm.cmd("drive-backup", again)?;
    drive.completed(t)?;
    drive.dismiss(t)
}

/// A job that was stopped by an error is not over.
fn too_early(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let by_itself = t.param() == "by_itself";
    t.qemu_img_create(["-f", t.imgfmt(), &drive.target, "1M"])?;
    drive.vm.cmd(
        "blockdev-add",
        json!({
            "node-name": "target", "driver": t.imgfmt(),
            "file": {
                "driver": "blkdebug", "image": { "driver": "file", "filename": drive.target },
                "inject-error": [{ "event": "write_aio", "once": true, "immediately": false }],
            },
        }),
    )?;
    drive.vm.cmd(
        "blockdev-backup",
        json!({
            "device": "drive0", "target": "target", "sync": "full", "on-target-error": "stop",
            "auto-dismiss": by_itself,
        }),
    )?;
    drive.vm.event_wait("BLOCK_JOB_ERROR")?;
    drive.vm.job("drive0").wait_paused()?;
    let reply = drive.vm.qmp("block-job-dismiss", json!({ "id": "drive0" }))?;
    let why = "Job 'drive0' in state 'paused' cannot accept command verb 'dismiss'";
    t.assert_qmp(&reply, "error/desc", why)?;
    drive.vm.cmd("block-job-resume", json!({ "device": "drive0" }))?;
    drive.completed(t)?;
    if by_itself { drive.vm.assert_no_active_block_jobs() } else { drive.dismiss(t) }
}
