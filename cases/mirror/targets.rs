//! What a mirror makes of its target: new or there already, with other clusters, with old data.
use iotests::image::create_image;
use iotests::prelude::*;

const SIZE: u64 = 2 << 20;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    let mut plain = s.fixture("without_backing", without_backing);
    plain.test("made", made).params(["full", "top", "none"]);
    plain.test("overwritten", overwritten);
    plain.test("overwritten_node", overwritten_node);
    plain.test("small_granularity", small_granularity);
    let mut overlay = s.fixture("grown_overlay", grown_overlay);
    overlay.test("made", made_from_overlay).params(["full", "top"]);
    overlay.test("with_its_own_backing", with_its_own_backing);
    overlay.test("copy_on_write", copy_on_write);
    overlay.test("speed", speed);
}

struct Source {
    image: ScratchFile,
    target: ScratchFile,
    vm: Vm,
}

/// An image of its own, known to the VM as the node `source` alone.
fn without_backing(t: &mut Test) -> TestResult<Source> {
    let [image, target] = t.files(["image", "target"]);
    t.qemu_img_create(["-f", t.imgfmt(), &image, &SIZE.to_string()])?;
    t.write_pattern(&image, 0x17, "0", "1M")?;
    let file = json!({ "driver": "file", "filename": image });
    let vm =
        t.vm().blockdev(json!({ "node-name": "source", "driver": t.imgfmt(), "file": file })).launch()?;
    Ok(Source { image, target, vm })
}

/// A drive that is longer than its backing file.
fn grown_overlay(t: &mut Test) -> TestResult<Source> {
    let [base, image, target] = t.files(["base", "image", "target"]);
    create_image(&base, SIZE / 2)?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &image, &SIZE.to_string()])?;
    t.write_pattern(&image, 0x17, "960k", "128k")?;
    let drive = Drive::new(&image).options("node-name=source");
    let vm = t.vm().drive_with(drive).launch()?;
    Ok(Source { image, target, vm })
}

impl Source {
    /// What mirrors all of the source into the target file, with changes.
    fn arguments(&self, changes: Value) -> Args {
        let all = json!({ "job-id": "job0", "device": "source", "sync": "full", "target": self.target });
        Args::from(all).with(changes)
    }

    fn mirror_to_the_end(&mut self, changes: Value) -> TestResult {
        self.vm.cmd("drive-mirror", self.arguments(changes))?;
        self.vm.complete_and_wait("job0")?;
        Ok(())
    }

    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        let same = t.compare_images(&self.image, &self.target)?;
        t.assert(same, "the target is a copy of the source")
    }
}

fn made(t: &mut Test, source: &mut Source) -> TestResult {
    source.mirror_to_the_end(json!({ "sync": t.param(), "mode": "absolute-paths" }))?;
    let info = t.qemu_img_info(["-U", "-f", t.imgfmt(), &source.target])?;
    t.assert_qmp(&info, "virtual-size", SIZE)?;
    if t.param() == "none" {
        // It holds what was written meanwhile, over the source.
        return t.assert_qmp(&info, "backing-filename", source.image.as_str());
    }
    source.verify(t)
}

/// Where the source has nothing, the old data of the target goes.
fn overwritten(t: &mut Test, source: &mut Source) -> TestResult {
    t.qemu_img_create(["-f", t.imgfmt(), &source.target, &SIZE.to_string()])?;
    t.write_pattern(&source.target, 42, "1M", "64k")?;
    source.mirror_to_the_end(json!({ "mode": "existing" }))?;
    source.verify(t)
}

fn overwritten_node(t: &mut Test, source: &mut Source) -> TestResult {
    t.qemu_img_create(["-f", t.imgfmt(), &source.target, &SIZE.to_string()])?;
    t.write_pattern(&source.target, 42, "1M", "64k")?;
    let file = json!({ "driver": "file", "filename": source.target });
    let node = json!({ "node-name": "target", "driver": t.imgfmt(), "file": file });
    source.vm.cmd("blockdev-add", node)?;
    source.vm.cmd(
        "blockdev-mirror",
        json!({ "job-id": "job0", "device": "source", "sync": "full", "target": "target" }),
    )?;
    source.vm.complete_and_wait("job0")?;
    source.verify(t)
}

fn small_granularity(t: &mut Test, source: &mut Source) -> TestResult {
    source.mirror_to_the_end(json!({ "granularity": 8192 }))?;
    source.verify(t)
}

fn made_from_overlay(t: &mut Test, source: &mut Source) -> TestResult {
    source.mirror_to_the_end(json!({ "sync": t.param() }))?;
    let disks = source.vm.query("query-block")?;
    t.assert_qmp(&disks, "return[0]/inserted/file", source.target.as_str())?;
    source.verify(t)
}

/// A full copy does not rely on what the target is backed by.
fn with_its_own_backing(t: &mut Test, source: &mut Source) -> TestResult {
    let backing = t.file("target-backing");
    t.qemu_img_create(["-f", t.imgfmt(), &backing, &SIZE.to_string()])?;
    t.write_pattern(&backing, 0x99, "0", "2M")?;
    let clusters = "cluster_size=1M";
    t.qemu_img_create(["-f", t.imgfmt(), "-o", clusters, "-b", &backing, "-F", t.imgfmt(), &source.target])?;
    source.mirror_to_the_end(json!({ "mode": "existing" }))?;
    source.verify(t)
}

/// A cluster of the target that the top layer fills in part gets the rest from its backing file.
fn copy_on_write(t: &mut Test, source: &mut Source) -> TestResult {
    let info = t.qemu_img_info(["-U", "-f", t.imgfmt(), &source.image])?;
    let base = t.dictpath(&info, "backing-filename")?.as_str().unwrap_or_default();
    let size = SIZE.to_string();
    let clusters = "cluster_size=512k";
    t.qemu_img_create(["-f", t.imgfmt(), "-o", clusters, "-b", base, "-F", "raw", &source.target, &size])?;
    source.mirror_to_the_end(json!({ "sync": "top", "mode": "existing" }))?;
    source.verify(t)
}

fn speed(t: &mut Test, source: &mut Source) -> TestResult {
    let reply = source.vm.qmp("drive-mirror", source.arguments(json!({ "speed": -1 })))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    source.vm.assert_no_active_block_jobs()?;

    source.vm.cmd("drive-mirror", source.arguments(json!({ "speed": 256 << 20 })))?;
    let jobs = source.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/speed", 256 << 20)?;
    let reply = source.vm.qmp("block-job-set-speed", json!({ "device": "job0", "speed": -1 }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    source.vm.cmd("block-job-set-speed", json!({ "device": "job0", "speed": 0 }))?;
    let jobs = source.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/speed", 0)?;
    source.vm.wait_ready_and_cancel("job0")?;
    source.verify(t)
}
