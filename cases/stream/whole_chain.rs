//! Streaming the images below a running disk into it: all of them, some, or none.
use iotests::image::create_image;
use iotests::prelude::*;

/// base (raw, with markers) <- mid <- top, all of them open as `drive0`.
struct Chain {
    base: ScratchFile,
    mid: ScratchFile,
    top: ScratchFile,
    /// What a guest sees, as a raw image.
    seen: ScratchFile,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    let mut chain = s.fixture("", Chain::open);
    chain.test("all_of_it", all_of_it);
    chain.test("the_middle", the_middle);
    chain.test("down_to_the_base", down_to_the_base);
    chain.test("from_a_bottom", from_a_bottom);
    chain.test("nothing", nothing);
    chain.test("other_backing_file_name", other_backing_file_name);
    chain.test("paused_and_resumed", paused_and_resumed);
    chain.test("finalized_by_hand", finalized_by_hand);
    chain.test("cancelled", cancelled);
    chain.test("speed", speed).unsupported_imgopts(["cluster_size"]);
    chain.test("bad_speed", bad_speed);
    chain.test("read_only_top", read_only_top);
    chain.test("refused", refused);
    s.test("shorter_backing_file", shorter_backing_file);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let [base, mid, top, seen] = t.files(["base", "mid", "top", "seen"]);
        create_image(&base, 1 << 20)?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &mid])?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &mid, "-F", t.imgfmt(), &top])?;
        t.write_pattern(&mid, 0x21, "512k", "64k")?;
        t.qemu_img(["convert", "-f", t.imgfmt(), "-O", "raw", &top, &seen])?;
        t.assert(
            t.compare_images_as(&top, t.imgfmt(), &seen, "raw")?,
            "what a guest sees is in the raw image",
        )?;
        let drive = Drive::new(format!("blkdebug::{top}"))
            .options("node-name=top,backing.node-name=mid,backing.backing.node-name=base");
        let vm = t.vm().drive_with(drive).launch()?;
        Ok(Self { base, mid, top, seen, vm })
    }

    /// Starts to stream into the disk.
    fn stream(&mut self, how: Value) -> TestResult {
        self.vm.cmd("block-stream", Args::from(json!({ "device": "drive0" })).with(how))?;
        Ok(())
    }

    /// Demands that an image, closed by now, holds what the guest has seen, over this backing file.
    fn verify(&self, t: &Test, image: &str, backing: Option<&str>) -> TestResult {
        let info = t.qemu_img_info(["-f", t.imgfmt(), image])?;
        match backing {
            Some(backing) => t.assert_qmp(&info, "full-backing-filename", backing)?,
            None => t.assert_qmp_absent(&info, "full-backing-filename")?,
        }
        let same = t.compare_images_as(image, t.imgfmt(), &self.seen, "raw")?;
        t.assert(same, format!("{image} holds what was seen before"))
    }
}

fn all_of_it(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.assert_no_active_block_jobs()?;
    chain.stream(json!({}))?;
    let event = chain.vm.wait_until_completed("drive0")?;
    t.assert_qmp(&event, "data/type", "stream")?;
    t.assert_qmp(&event, "data/len", 1 << 20)?;
    t.assert(chain.vm.node_info("mid")?.is_none(), "the middle is closed")?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, None)
}

fn the_middle(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.cmd("block-stream", json!({ "job-id": "into-mid", "device": "mid" }))?;
    chain.vm.wait_until_completed("into-mid")?;
    chain.vm.assert_block_path("top", "/backing", Some("mid"))?;
    chain.vm.assert_block_path("mid", "/backing", None)?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.mid, None)?;
    chain.verify(t, &chain.top, Some(&chain.mid))
}

fn down_to_the_base(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.stream(json!({ "base": chain.base }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.assert_block_path("top", "/backing", Some("base"))?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, Some(&chain.base))
}

fn from_a_bottom(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.stream(json!({ "bottom": "mid" }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.assert_block_path("top", "/backing", Some("base"))?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, Some(&chain.base))
}

/// Nothing lies between an image and its own backing file.
fn nothing(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.stream(json!({ "base": chain.mid }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, Some(&chain.mid))?;
    let map = t.qemu_img_map(["-f", t.imgfmt(), &chain.top])?;
    let copied = map.as_array().into_iter().flatten().any(|part| part["depth"] == 0);
    t.assert(!copied, format!("nothing was copied to the top: {map:#}"))
}

fn other_backing_file_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    let other = t.file("link");
    std::os::unix::fs::symlink(&chain.base, &other)?;
    chain.stream(json!({ "base": chain.base, "backing-file": other }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top.clone(), Some(&other))
}

fn paused_and_resumed(t: &mut Test, chain: &mut Chain) -> TestResult {
    // Held at its first write, it cannot end before it is told to pause.
    chain.vm.pause_drive("drive0")?;
    chain.stream(json!({}))?;
    chain.vm.cmd("block-job-pause", json!({ "device": "drive0" }))?;
    chain.vm.resume_drive("drive0")?;
    let paused = chain.vm.pause_wait("drive0")?;
    chain.vm.drive_io("drive0", "read 0 1M")?;
    let jobs = chain.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/offset", paused["offset"].clone())?;
    chain.vm.cmd("block-job-resume", json!({ "device": "drive0" }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, None)
}

/// Until it is finalized, a job leaves the chain as it was.
fn finalized_by_hand(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.stream(json!({ "auto-finalize": false, "auto-dismiss": false }))?;
    chain.vm.job("drive0").wait_status(JobStatus::Pending)?;
    t.assert(chain.vm.node_info("base")?.is_some(), "the base is still open")?;
    chain.vm.job("drive0").finalize()?;
    chain.vm.job("drive0").wait_status(JobStatus::Concluded)?;
    chain.vm.assert_block_path("top", "/backing", None)?;
    chain.vm.job("drive0").dismiss()?;
    chain.vm.assert_no_active_block_jobs()?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, None)
}

fn cancelled(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.pause_drive("drive0")?;
    chain.stream(json!({}))?;
    let event = chain.vm.cancel_and_wait_with("drive0", CancelJob::new().resume())?;
    t.assert_qmp(&event, "event", "BLOCK_JOB_CANCELLED")?;
    t.assert_qmp(&event, "data/type", "stream")?;
    chain.vm.assert_block_path("top", "/backing", Some("mid"))?;
    chain.vm.shutdown()?;
    chain.verify(t, &chain.top, Some(&chain.mid))
}

fn speed(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.pause_drive("drive0")?;
    chain.stream(json!({}))?;
    let jobs = chain.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/speed", 0)?;
    chain.vm.cmd("block-job-set-speed", json!({ "device": "drive0", "speed": 8 << 20 }))?;
    let jobs = chain.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/speed", 8 << 20)?;
    chain.vm.cancel_and_wait_with("drive0", CancelJob::new().resume())?;

    chain.vm.pause_drive("drive0")?;
    chain.stream(json!({ "speed": 4 << 20 }))?;
    let jobs = chain.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/speed", 4 << 20)?;
    chain.vm.cancel_and_wait_with("drive0", CancelJob::new().resume())?;
    Ok(())
}

fn bad_speed(t: &mut Test, chain: &mut Chain) -> TestResult {
    let refusal = "Parameter 'speed' expects a non-negative value";
    let reply = chain.vm.qmp("block-stream", json!({ "device": "drive0", "speed": -1 }))?;
    t.assert_qmp(&reply, "error/desc", refusal)?;
    chain.vm.assert_no_active_block_jobs()?;
    chain.vm.pause_drive("drive0")?;
    chain.stream(json!({}))?;
    let reply = chain.vm.qmp("block-job-set-speed", json!({ "device": "drive0", "speed": -1 }))?;
    t.assert_qmp(&reply, "error/desc", refusal)?;
    chain.vm.cancel_and_wait_with("drive0", CancelJob::new().resume())?;
    Ok(())
}

fn read_only_top(t: &mut Test, chain: &mut Chain) -> TestResult {
    let image = t.file("read-only");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    chain.vm.cmd(
        "blockdev-add",
        json!({
            "node-name": "ro-top", "driver": t.imgfmt(), "read-only": true, "backing": "mid",
            "file": { "driver": "file", "filename": image, "read-only": true },
        }),
    )?;
    let into_it = json!({ "job-id": "job0", "device": "ro-top", "base-node": "base" });
    let reply = chain.vm.qmp("block-stream", into_it)?;
    t.assert_qmp(&reply, "error/desc", "Block node is read-only")?;
    chain.vm.cmd("blockdev-del", json!({ "node-name": "ro-top" }))?;
    Ok(())
}

fn refused(t: &mut Test, chain: &mut Chain) -> TestResult {
    let Chain { base, vm, .. } = chain;
    for (arguments, why) in [
        (json!({ "device": "nonesuch" }), "Cannot find device='nonesuch' nor node-name='nonesuch'"),
        (json!({ "device": "mid" }), "Invalid job ID ''"),
        (json!({ "device": "drive0", "base-node": "none" }), "Cannot find device='' nor node-name='none'"),
        (json!({ "device": "drive0", "base-node": "top" }), "Node 'top' is not a backing image of 'drive0'"),
        (
            json!({ "job-id": "job0", "device": "mid", "base-node": "top" }),
            "Node 'top' is not a backing image of 'mid'",
        ),
        (
            json!({ "device": "drive0", "base": base, "base-node": "base" }),
            "'base' and 'base-node' cannot be specified at the same time",
        ),
    ] {
        let reply = vm.qmp("block-stream", arguments)?;
        t.assert_qmp(&reply, "error/desc", why)?;
    }
    vm.assert_no_active_block_jobs()
}

/// Beyond the end of its backing file an image reads as zeros, and there is nothing to copy.
fn shorter_backing_file(t: &mut Test) -> TestResult {
    let [base, top] = t.files(["base", "top"]);
    create_image(&base, 1 << 20)?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &top, "2M"])?;
    let mut vm = t.vm().drive(&top).launch()?;
    vm.cmd("block-stream", json!({ "device": "drive0" }))?;
    let event = vm.wait_until_completed("drive0")?;
    t.assert_qmp(&event, "data/len", 2 << 20)?;
    vm.shutdown()?;
    t.verify_pattern(&top, 0, "1M", "1M")?;
    let same = t.compare_images_as(&top, t.imgfmt(), &base, "raw")?;
    t.assert(same, "the base was copied")
}
