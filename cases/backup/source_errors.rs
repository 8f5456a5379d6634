//! Incremental backups of drives that fail once to be read, right after a flush.
use iotests::prelude::*;

/// Clusters of 64 KiB that [`Drives::write`] touches.
const WRITTEN: u64 = 7 * 65536;

/// Drives as nodes `drive<n>`, each with a full backup and a bitmap from then on.
struct Drives {
    images: Vec<ScratchFile>,
    fulls: Vec<ScratchFile>,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backup", "quick"]);
    let mut one = s.fixture("one_drive", |t| Drives::open(t, &[true]));
    one.test("failed_and_repeated", failed_and_repeated);
    one.test("stopped_and_resumed", stopped_and_resumed);
    let mut two = s.fixture("two_drives", |t| Drives::open(t, &[false, true]));
    two.test("all_or_none", all_or_none);
    two.test("none_though_one_is_empty", none_though_one_is_empty);
}

impl Drives {
    /// One drive for each of `broken`, which says whether it fails.
    fn open(t: &mut Test, broken: &[bool]) -> TestResult<Self> {
        let mut vm = t.vm();
        let mut images = Vec::new();
        for (n, broken) in broken.iter().enumerate() {
            let image = t.file(&format!("image{n}"));
            t.qemu_img_create(["-f", t.imgfmt(), &image, "64M"])?;
            t.write_pattern(&image, 0xd5, "1M", "32k")?;
            let mut file = json!({ "driver": "file", "filename": image });
            if *broken {
                file = json!({
                    "driver": "blkdebug", "image": file,
                    "set-state": [{ "event": "flush_to_disk", "state": 1, "new_state": 2 }],
                    "inject-error":
                        [{ "event": "read_aio", "state": 2, "once": true, "immediately": false }],
                });
            }
            vm = vm.blockdev(json!({ "node-name": format!("drive{n}"), "driver": t.imgfmt(), "file": file }));
            images.push(image);
        }
        let mut drives = Self { images, fulls: Vec::new(), vm: vm.launch()? };
        for n in 0..broken.len() {
            let full = drives.full(t, n, "before")?;
            drives.fulls.push(full);
            let bitmap = json!({ "node": format!("drive{n}"), "name": "bitmap0" });
            drives.vm.cmd("block-dirty-bitmap-add", bitmap)?;
        }
        Ok(drives)
    }

    fn full(&mut self, t: &Test, n: usize, when: &str) -> TestResult<ScratchFile> {
        let (drive, target) = (format!("drive{n}"), t.file(&format!("full{n}.{when}")));
        self.vm.cmd(
            "drive-backup",
            json!({
                "device": drive, "job-id": drive, "sync": "full", "format": t.imgfmt(), "target": target,
            }),
        )?;
        self.vm.wait_until_completed(&drive)?;
        Ok(target)
    }

    /// Writes to a drive and flushes it: its next read fails, if it is broken and has not failed yet.
    fn write(&mut self, n: usize, byte: u8) -> TestResult {
        let drive = format!("drive{n}");
        for (offset, length) in [("0", "512"), ("16M", "256k"), ("32736k", "64k")] {
            self.vm.write_pattern(&drive, byte, offset, length)?;
        }
        self.vm.drive_io(&drive, "flush")?;
        Ok(())
    }

    /// What backs a drive up incrementally, into a new image over its full backup.
    fn increment(&self, t: &Test, n: usize, name: &str) -> TestResult<(ScratchFile, Args)> {
        let (drive, target) = (format!("drive{n}"), t.file(name));
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &self.fulls[n], "-F", t.imgfmt(), &target])?;
        let arguments = json!({
            "device": drive, "job-id": drive, "sync": "incremental", "bitmap": "bitmap0",
            "format": t.imgfmt(), "target": target, "mode": "existing",
        });
        Ok((target, arguments.into()))
    }

    /// Demands of the bitmap of a drive how much it covers, and whether a job holds it.
    fn check_bitmap(&mut self, t: &Test, n: usize, count: u64, busy: bool) -> TestResult {
        let bitmap = self.vm.get_bitmap(&format!("drive{n}"), "bitmap0", None)?.unwrap_or_default();
        t.assert_qmp(&bitmap, "count", count)?;
        t.assert_qmp(&bitmap, "busy", busy)?;
        t.assert_qmp(&bitmap, "recording", true)
    }

    fn verify(&mut self, t: &Test, backups: &[&ScratchFile]) -> TestResult {
        self.vm.shutdown()?;
        for (image, backup) in self.images.iter().zip(backups) {
            t.assert(t.compare_images(image, backup)?, format!("{backup} is the same as its drive"))?;
        }
        Ok(())
    }
}

fn assert_read_error(t: &Test, vm: &mut Vm, drive: &str, action: &str) -> TestResult {
    let event = vm.event_wait("BLOCK_JOB_ERROR")?;
    t.assert_qmp(&event, "data", json!({ "device": drive, "operation": "read", "action": action }))
}

/// A backup that failed leaves the bitmap as it was, plus what was written since.
fn failed_and_repeated(t: &mut Test, drives: &mut Drives) -> TestResult {
    drives.write(0, 0xab)?;
    let (_, backup) = drives.increment(t, 0, "failed")?;
    drives.vm.cmd("drive-backup", backup)?;
    assert_read_error(t, &mut drives.vm, "drive0", "report")?;
    drives.vm.wait_until_failed("drive0", "Input/output error")?;
    drives.check_bitmap(t, 0, WRITTEN, false)?;
    drives.vm.write_pattern("drive0", 0x55, "8M", "64k")?;
    drives.check_bitmap(t, 0, WRITTEN + 65536, false)?;
    let (target, backup) = drives.increment(t, 0, "repeated")?;
    drives.vm.cmd("drive-backup", backup)?;
    drives.vm.wait_until_completed("drive0")?;
    drives.check_bitmap(t, 0, 0, false)?;
    drives.verify(t, &[&target])
}

fn stopped_and_resumed(t: &mut Test, drives: &mut Drives) -> TestResult {
    drives.write(0, 0xab)?;
    drives.check_bitmap(t, 0, WRITTEN, false)?;
    let (target, backup) = drives.increment(t, 0, "backup")?;
    drives.vm.cmd("drive-backup", backup.with(json!({ "on-source-error": "stop" })))?;
    assert_read_error(t, &mut drives.vm, "drive0", "stop")?;
    drives.check_bitmap(t, 0, WRITTEN, true)?;
    drives.vm.job("drive0").wait_paused()?;
    drives.vm.cmd("block-job-resume", json!({ "device": "drive0" }))?;
    drives.vm.wait_until_completed("drive0")?;
    drives.check_bitmap(t, 0, 0, false)?;
    drives.verify(t, &[&target])
}

/// Starts backups of both drives that only make sense together; returns their targets.
fn start_both(t: &Test, drives: &mut Drives, name: &str) -> TestResult<Vec<ScratchFile>> {
    let (mut targets, mut actions) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let (target, backup) = drives.increment(t, n, &format!("{name}{n}"))?;
        actions.push(json!({ "type": "drive-backup", "data": backup.into_object("transaction")? }));
        targets.push(target);
    }
    let together = json!({ "actions": actions, "properties": { "completion-mode": "grouped" } });
    drives.vm.cmd("transaction", together)?;
    Ok(targets)
}

/// One of them fails, so the other is cancelled.
fn assert_both_end_badly(t: &Test, drives: &mut Drives) -> TestResult {
    assert_read_error(t, &mut drives.vm, "drive1", "report")?;
    let cancelled = EventMatch::new("BLOCK_JOB_CANCELLED").data(json!({ "device": "drive0" }));
    drives.vm.event_wait(cancelled)?;
    let failed = EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": "drive1" }));
    let failed = drives.vm.event_wait(failed)?;
    t.assert_qmp(&failed, "data/error", "Input/output error")?;
    for job in ["drive0", "drive1"] {
        drives.vm.job(job).wait_status(JobStatus::Null)?;
    }
    drives.vm.assert_no_active_block_jobs()
}

fn all_or_none(t: &mut Test, drives: &mut Drives) -> TestResult {
    drives.write(0, 0xab)?;
    drives.write(1, 0xba)?;
    start_both(t, drives, "failed")?;
    assert_both_end_badly(t, drives)?;
    for n in 0..2 {
        drives.check_bitmap(t, n, WRITTEN, false)?;
    }
    let targets = start_both(t, drives, "repeated")?;
    for drive in ["drive0", "drive1"] {
        let ended = EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": drive }));
        let ended = drives.vm.event_wait(ended)?;
        t.assert_qmp_absent(&ended, "data/error")?;
    }
    drives.vm.assert_no_active_block_jobs()?;
    drives.verify(t, &targets.iter().collect::<Vec<_>>())
}

/// A job that has nothing to copy is at its end at once, and waits for the others all the same.
fn none_though_one_is_empty(t: &mut Test, drives: &mut Drives) -> TestResult {
    drives.write(1, 0xba)?;
    start_both(t, drives, "failed")?;
    assert_both_end_badly(t, drives)?;
    drives.check_bitmap(t, 0, 0, false)?;
    drives.check_bitmap(t, 1, WRITTEN, false)
}
