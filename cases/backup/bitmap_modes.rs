//! What a backup leaves in its bitmap: by the mode that was asked for, and by how the backup ended.
use iotests::prelude::*;

const CLUSTER: u64 = 64 << 10;

/// How the backup ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Completed,
    /// With all copied, just before it is finalized.
    Cancelled,
    /// With one cluster copied, when the next one is read.
    Failed,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["cluster_size"]).groups(["rw", "backup", "quick"]);
    for (name, end) in [("completed", End::Completed), ("cancelled", End::Cancelled), ("failed", End::Failed)]
    {
        let mut drive = s.fixture(name, move |t| Drive0::open(t, end));
        drive.test("mode", backup).params(["on-success", "never", "always"]);
    }
    s.test("refused", refused);
}

/// A drive with three clusters in its bitmap, all written after a full backup.
struct Drive0 {
    end: End,
    /// Copies of the drive from before and from after these writes.
    before: ScratchFile,
    after: ScratchFile,
    target: ScratchFile,
    vm: Vm,
}

impl Drive0 {
    fn open(t: &mut Test, end: End) -> TestResult<Self> {
        let [image, before, after, target] = t.files(["image", "before", "after", "target"]);
        for image in [&image, &target] {
            t.qemu_img_create(["-f", t.imgfmt(), image, "4M"])?;
        }
        t.write_pattern(&image, 0x49, "0", "1M")?;
        let file = json!({ "driver": "file", "filename": image });
        let second_read_after_flush = json!({
            "driver": "blkdebug", "image": file,
            "set-state": [
                { "event": "flush_to_disk", "state": 1, "new_state": 2 },
                { "event": "read_aio", "state": 2, "new_state": 3 },
            ],
            "inject-error": [{ "event": "read_aio", "state": 3, "once": true, "immediately": false }],
        });
        let file = if end == End::Failed { second_read_after_flush } else { file };
        let node = |name: &str, file: Value| json!({ "node-name": name, "driver": t.imgfmt(), "file": file });
        let vm = t
            .vm()
            .blockdev(node("drive0", file))
            .blockdev(node("target", json!({ "driver": "file", "filename": target })))
            .launch()?;
        let mut drive = Self { end, before, after, target, vm };
        drive.copy(t, &drive.before.clone())?;
        let bitmap = json!({ "node": "drive0", "name": "bitmap0", "granularity": CLUSTER });
        drive.vm.cmd("block-dirty-bitmap-add", bitmap)?;
        drive.write("drive0", &["64k", "512k", "2M"])?;
        drive.copy(t, &drive.after.clone())?;
        if end == End::Failed {
            drive.vm.drive_io("drive0", "flush")?;
        }
        Ok(drive)
    }

    fn copy(&mut self, t: &Test, target: &str) -> TestResult {
        let full = json!({
            "job-id": "copy", "device": "drive0", "sync": "full", "format": t.imgfmt(), "target": target,
        });
        self.vm.cmd("drive-backup", full)?;
        self.vm.wait_until_completed("copy")?;
        Ok(())
    }

    /// Fills the clusters at these offsets.
    fn write(&mut self, node: &str, offsets: &[&str]) -> TestResult {
        for offset in offsets {
            self.vm.write_pattern(node, 0x76, offset, "64k")?;
        }
        Ok(())
    }

    /// How many clusters the bitmap covers.
    fn covered(&mut self) -> TestResult<u64> {
        let bitmap = self.vm.get_bitmap("drive0", "bitmap0", None)?.unwrap_or_default();
        Ok(bitmap["count"].as_u64().unwrap_or_default() / CLUSTER)
    }
}

fn backup(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let mode = t.param();
    let arguments = Args::from(json!({
        "device": "drive0", "target": "target", "sync": "bitmap", "bitmap": "bitmap0", "bitmap-mode": mode,
        "filter-node-name": "filter", "x-perf": { "max-workers": 1 },
        "auto-finalize": false, "auto-dismiss": false,
    }));
    t.assert_eq(drive.covered()?, 3)?;
    drive.vm.cmd("blockdev-backup", arguments.with(json!({ "job-id": "backup" })))?;
    if drive.end == End::Failed {
        drive.vm.job("backup").wait_status(JobStatus::Concluded)?;
        let job = drive.vm.job("backup").query()?.unwrap_or_default();
        t.assert_qmp(&job, "error", "Input/output error")?;
        drive.vm.job("backup").dismiss()?;
        return t.assert_eq(drive.covered()?, if mode == "always" { 2 } else { 3 });
    }
    drive.vm.job("backup").wait_status(JobStatus::Pending)?;
    // The job keeps a bitmap without a name of what is written now; the other one stands still.
    drive.write("filter", &["512k", "3M"])?;
    t.assert_eq(drive.covered()?, 3)?;
    let anonymous = drive.vm.get_bitmap("drive0", "", Some(true))?.unwrap_or_default();
    t.assert_qmp(&anonymous, "count", 2 * CLUSTER)?;

    match drive.end {
        End::Cancelled => drive.vm.job("backup").cancel()?,
        _ => drive.vm.job("backup").finalize()?,
    }
    drive.vm.job("backup").wait_status(JobStatus::Concluded)?;
    drive.vm.job("backup").dismiss()?;
    let starts_anew = mode == "always" || (mode == "on-success" && drive.end == End::Completed);
    t.assert_eq(drive.covered()?, if starts_anew { 2 } else { 4 })?;

    drive.vm.shutdown()?;
    t.qemu_img(["rebase", "-u", "-f", t.imgfmt(), "-b", &drive.before, "-F", t.imgfmt(), &drive.target])?;
    let same = t.compare_images(&drive.target, &drive.after)?;
    t.assert(same, "over the full backup, it is the drive as it was when the backup began")
}

fn refused(t: &mut Test) -> TestResult {
    let mut drive = Drive0::open(t, End::Completed)?;
    let plain = Args::from(json!({ "job-id": "backup", "device": "drive0", "target": "target" }));
    let with_bitmap = plain.clone().with(json!({ "bitmap": "bitmap0" }));
    for (arguments, why) in [
        (plain.clone().with(json!({ "sync": "bitmap" })), "must provide a valid bitmap name"),
        (plain.clone().with(json!({ "sync": "full", "bitmap-mode": "never" })), "without a bitmap"),
        (
            plain.with(json!({ "sync": "bitmap", "bitmap": "bitmap404", "bitmap-mode": "never" })),
            "Bitmap 'bitmap404' could not be found",
        ),
        (with_bitmap.clone().with(json!({ "sync": "bitmap" })), "Bitmap sync mode must be given"),
        (
            with_bitmap.clone().with(json!({ "sync": "full", "bitmap-mode": "never" })),
            "'never' has no meaningful effect when combined with sync mode 'full'",
        ),
        (
            with_bitmap.clone().with(json!({ "sync": "incremental", "bitmap-mode": "always" })),
            "Bitmap sync mode must be 'on-success'",
        ),
        (
            with_bitmap.with(json!({ "sync": "none", "bitmap-mode": "always" })),
            "sync mode 'none' does not produce meaningful bitmap outputs",
        ),
    ] {
        let reply = drive.vm.qmp("blockdev-backup", arguments)?;
        let desc = t.dictpath(&reply, "error/desc")?.as_str().unwrap_or_default();
        t.assert(desc.contains(why), format!("{desc:?} says {why:?}"))?;
    }
    t.assert_eq(drive.covered()?, 3)
}
