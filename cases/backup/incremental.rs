//! Backups of what a dirty bitmap says was written since the last one, each on top of it.
use iotests::prelude::*;

/// A drive whose image already holds something, and the backups that were made of it.
struct Drive0 {
    image: ScratchFile,
    /// Each backup so far, and a full copy of the drive at that time.
    backups: Vec<[ScratchFile; 2]>,
    vm: Vm,
}

const BITMAP: &str = "bitmap0";

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backup", "quick"]);
    let mut drive = s.fixture("", Drive0::open);
    drive.test("one_after_the_other", one_after_the_other).params(["65536", "32768", "131072"]);
    drive.test("larger_target_clusters", larger_target_clusters);
    drive.test("two_bitmaps_in_step", two_bitmaps_in_step);
    drive.test("grown_disk", grown_disk);
    drive.test("bitmap_follows_writes", bitmap_follows_writes);
    drive.test("refused", refused);
}

impl Drive0 {
    fn open(t: &mut Test) -> TestResult<Self> {
        let image = t.file("image");
        t.qemu_img_create(["-f", t.imgfmt(), &image, "64M"])?;
        for (byte, offset, length) in [(0x41, "0", "512"), (0xd5, "1M", "32k"), (0xdc, "32M", "124k")] {
            t.write_pattern(&image, byte, offset, length)?;
        }
        let vm = t.vm().drive_with(Drive::new(&image).options("node-name=node0")).launch()?;
        Ok(Self { image, backups: Vec::new(), vm })
    }

    /// Writes through the drive, each a byte, an offset and a length.
    fn write(&mut self, writes: &[(u8, &str, &str)]) -> TestResult {
        for (byte, offset, length) in writes {
            self.vm.write_pattern("drive0", *byte, offset, length)?;
        }
        Ok(())
    }

    /// A whole cluster again, a new segment, and one across a cluster's end: 7 clusters of 64 KiB.
    fn first_writes(&mut self) -> TestResult {
        self.write(&[(0xab, "0", "512"), (0xfe, "16M", "256k"), (0x64, "32736k", "64k")])
    }

    fn second_writes(&mut self) -> TestResult {
        self.write(&[(0x9a, "0", "512"), (0x55, "8M", "352k"), (0x78, "15872k", "1M")])
    }

    fn add_bitmap(&mut self, how: Value) -> TestResult {
        let bitmap = Args::from(json!({ "node": "drive0", "name": BITMAP }));
        self.vm.cmd("block-dirty-bitmap-add", bitmap.with(how))?;
        Ok(())
    }

    fn backup(&mut self, t: &Test, target: &str, how: Value) -> TestResult {
        let backup = Args::from(json!({
            "device": "drive0", "job-id": "job0", "sync": "full", "format": t.imgfmt(), "target": target,
        }));
        self.vm.cmd("drive-backup", backup.with(how))?;
        self.vm.wait_until_completed("job0")?;
        Ok(())
    }

    /// A full copy, made by QEMU as well, to compare the next backup with.
    fn full(&mut self, t: &Test, what: &str) -> TestResult<ScratchFile> {
        let target = t.file(&format!("{what}{}", self.backups.len()));
        self.backup(t, &target, json!({}))?;
        Ok(target)
    }

    /// The full backup that the others build on.
    fn anchor(&mut self, t: &Test) -> TestResult {
        let full = self.full(t, "anchor")?;
        self.backups.push([full.clone(), full]);
        Ok(())
    }

    /// An image over the last backup, to be filled.
    fn next_target(&self, t: &Test) -> TestResult<ScratchFile> {
        let target = t.file(&format!("backup{}", self.backups.len()));
        let [last, _] = &self.backups[self.backups.len() - 1];
        t.qemu_img_create(["-f", t.imgfmt(), "-b", last, "-F", t.imgfmt(), &target])?;
        Ok(target)
    }

    fn increment(&mut self, t: &Test, bitmap: &str) -> TestResult {
        let target = self.next_target(t)?;
        let how = json!({ "sync": "incremental", "bitmap": bitmap, "mode": "existing" });
        self.backup(t, &target, how)?;
        let full = self.full(t, "full")?;
        self.backups.push([target, full]);
        Ok(())
    }

    /// Demands that each backup is the drive as it was, and the last one as it is.
    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        for [backup, full] in &self.backups[1..] {
            t.assert(t.compare_images(backup, full)?, format!("{backup} is the same as a full backup"))?;
        }
        let [last, _] = &self.backups[self.backups.len() - 1];
        t.assert(t.compare_images(last, &self.image)?, "the last backup is the same as the drive")
    }

    fn bitmap(&mut self) -> TestResult<Value> {
        Ok(self.vm.get_bitmap("node0", BITMAP, None)?.unwrap_or_default())
    }
}

fn one_after_the_other(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let granularity: u64 = t.param().parse()?;
    drive.anchor(t)?;
    drive.add_bitmap(json!({ "granularity": granularity }))?;
    t.assert_qmp(&drive.bitmap()?, "granularity", granularity)?;
    // The first is empty.
    drive.increment(t, BITMAP)?;
    drive.first_writes()?;
    drive.increment(t, BITMAP)?;
    drive.second_writes()?;
    drive.increment(t, BITMAP)?;
    drive.verify(t)
}

/// Clusters of the target that the bitmap covers in part are filled from the drive.
fn larger_target_clusters(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.anchor(t)?;
    drive.add_bitmap(json!({}))?;
    drive.first_writes()?;
    let target = t.file("target");
    t.qemu_img_create(["-f", t.imgfmt(), "-o", "cluster_size=128k", &target, "64M"])?;
    let how = json!({ "sync": "incremental", "bitmap": BITMAP, "mode": "existing" });
    drive.backup(t, &target, how)?;
    let full = drive.full(t, "full")?;
    let [anchor, _] = drive.backups[0].clone();
    t.qemu_img(["rebase", "-u", "-f", t.imgfmt(), "-b", &anchor, "-F", t.imgfmt(), &target])?;
    drive.backups.push([target, full]);
    drive.verify(t)
}

/// Bitmaps that are cleared in one transaction with a full backup both start from it.
fn two_bitmaps_in_step(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.add_bitmap(json!({}))?;
    drive.first_writes()?;
    drive.add_bitmap(json!({ "name": "bitmap1" }))?;
    let anchor = t.file("anchor");
    let clear = |name: &str| json!({ "type": "block-dirty-bitmap-clear", "data": { "node": "drive0", "name": name } });
    let backup = json!({
        "device": "drive0", "job-id": "job0", "sync": "full", "format": t.imgfmt(), "target": anchor,
    });
    let actions = [clear(BITMAP), clear("bitmap1"), json!({ "type": "drive-backup", "data": backup })];
    drive.vm.cmd("transaction", json!({ "actions": actions }))?;
    drive.vm.wait_until_completed("job0")?;
    drive.backups.push([anchor.clone(), anchor]);

    drive.second_writes()?;
    drive.increment(t, BITMAP)?;
    // The other one starts from the full backup too, not from the increment.
    let first = drive.backups.pop();
    drive.backups.push(drive.backups[0].clone());
    drive.increment(t, "bitmap1")?;
    drive.backups.extend(first);
    drive.verify(t)
}

/// A bitmap grows with its disk, and sees what is written beyond the old end.
fn grown_disk(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.anchor(t)?;
    drive.add_bitmap(json!({}))?;
    drive.vm.cmd("block_resize", json!({ "device": "drive0", "size": 65 << 20 }))?;
    drive.write(&[(0x77, "64M", "64k")])?;
    t.assert_qmp(&drive.bitmap()?, "count", 65536)?;
    let target = t.file("backup1");
    let [anchor, _] = drive.backups[0].clone();
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &anchor, "-F", t.imgfmt(), &target, "65M"])?;
    let how = json!({ "sync": "incremental", "bitmap": BITMAP, "mode": "existing" });
    drive.backup(t, &target, how)?;
    let full = drive.full(t, "full")?;
    drive.backups.push([target, full]);
    drive.verify(t)
}

fn bitmap_follows_writes(t: &mut Test, drive: &mut Drive0) -> TestResult {
    drive.anchor(t)?;
    drive.add_bitmap(json!({}))?;
    let bitmap = drive.bitmap()?;
    for (field, expected) in [
        ("count", json!(0)),
        ("granularity", json!(65536)),
        ("recording", json!(true)),
        ("busy", json!(false)),
        ("persistent", json!(false)),
    ] {
        t.assert_qmp(&bitmap, field, expected)?;
    }
    drive.first_writes()?;
    t.assert_qmp(&drive.bitmap()?, "count", 7 * 65536)?;
    drive.increment(t, BITMAP)?;
    t.assert_qmp(&drive.bitmap()?, "count", 0)?;
    let named = json!({ "node": "drive0", "name": BITMAP });
    drive.vm.cmd("block-dirty-bitmap-disable", &named)?;
    drive.second_writes()?;
    t.assert_qmp(&drive.bitmap()?, "count", 0)?;
    t.assert_qmp(&drive.bitmap()?, "recording", false)?;
    drive.vm.cmd("block-dirty-bitmap-remove", &named)?;
    t.assert(drive.vm.query_bitmaps()?.is_empty(), "the bitmap is gone")
}

fn refused(t: &mut Test, drive: &mut Drive0) -> TestResult {
    let target = t.file("target");
    let incremental = Args::from(json!({
        "device": "drive0", "sync": "incremental", "format": t.imgfmt(), "target": target,
    }));
    for (command, arguments) in [
        ("drive-backup", incremental.clone()),
        ("drive-backup", incremental.with(json!({ "bitmap": "unknown" }))),
        // Not a power of two.
        ("block-dirty-bitmap-add", json!({ "node": "drive0", "name": BITMAP, "granularity": 64000 }).into()),
        ("block-dirty-bitmap-clear", json!({ "node": "drive0", "name": "unknown" }).into()),
    ] {
        let reply = drive.vm.qmp(command, arguments)?;
        t.assert_qmp(&reply, "error/class", "GenericError")?;
    }
    drive.vm.assert_no_active_block_jobs()
}
