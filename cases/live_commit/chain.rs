//! Committing parts of a chain into the image below them while a VM has it open.
use iotests::image::create_image;
use iotests::prelude::*;

/// base (raw) <- mid <- top, open as `drive0` of a SCSI disk that can be unplugged.
struct Chain {
    base: ScratchFile,
    mid: ScratchFile,
    top: ScratchFile,
    size: u64,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    for (name, size) in [("sized", 2 << 20), ("empty", 0)] {
        let mut chain = s.fixture(name, move |t| Chain::open(t, size));
        chain.requires(Requirement::VirtioScsi);
        chain.test("by_file_name", by_file_name);
        chain.test("by_node_name", by_node_name);
        chain.test("active_layer_by_name", active_layer_by_name);
        chain.test("active_layer_by_default", active_layer_by_default);
        chain.test("quit_below_a_filter", quit_below_a_filter);
        chain.test("quit_below_a_later_filter", quit_below_a_later_filter);
        chain.test("refused", refused);
        if size > 0 {
            chain.test("seen_as_before", seen_as_before);
            chain.test("finalized_by_hand", finalized_by_hand);
        }
    }
    s.test("speed", speed);
    s.test("unplugged", unplugged).requires(Requirement::VirtioScsi);
    s.test("below_a_read_only_overlay", below_a_read_only_overlay);
}

impl Chain {
    fn open(t: &mut Test, size: u64) -> TestResult<Self> {
        let [base, mid, top] = t.files(["base", "mid", "top"]);
        create_image(&base, size)?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &mid])?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &mid, "-F", t.imgfmt(), &top])?;
        if size > 0 {
            t.write_pattern_as(&base, "raw", 0xab, "0", "512k")?;
            t.write_pattern(&mid, 0xef, "512k", &format!("{}k", (size >> 10) - 512))?;
        }
        let names = "node-name=top,backing.node-name=mid,backing.backing.node-name=base";
        let vm = t
            .vm()
            .drive_with(Drive::new(&top).interface("none").options(names))
            .device("virtio-scsi")
            .device("scsi-hd,id=disk,drive=drive0")
            .launch()?;
        Ok(Self { base, mid, top, size, vm })
    }

    fn commit(&mut self, how: Value) -> TestResult {
        self.vm.assert_no_active_block_jobs()?;
        self.vm.cmd("block-commit", how)?;
        Ok(())
    }

    /// Demands that the base holds what was in the images above it.
    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        if self.size == 0 {
            return Ok(());
        }
        let reads = ["-f", "raw", "-c", "read -P 0xab 0 512k", "-c", "read -P 0xef 512k 512k", &self.base];
        let output = t.qemu_io(reads)?;
        t.assert(!output.stdout.contains("verification failed"), output.stdout)
    }
}

fn by_file_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "device": "drive0", "top": chain.mid, "base": chain.base }))?;
    let event = chain.vm.wait_until_completed("drive0")?;
    t.assert_qmp(&event, "data/type", "commit")?;
    chain.vm.assert_block_path("top", "/backing", Some("base"))?;
    chain.verify(t)
}

fn by_node_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "device": "drive0", "top-node": "mid", "base-node": "base" }))?;
    chain.vm.wait_until_completed("drive0")?;
    t.assert(chain.vm.node_info("mid")?.is_none(), "what was committed is closed")?;
    chain.verify(t)
}

fn active_layer_by_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "device": "drive0", "top": chain.top, "base": chain.base }))?;
    let ready = chain.vm.wait_ready("drive0")?;
    t.assert_qmp(&ready, "data/type", "commit")?;
    chain.vm.complete_ready_and_wait("drive0")?;
    let disks = chain.vm.query("query-block")?;
    t.assert_qmp(&disks, "return[0]/inserted/file", chain.base.as_str())?;
    chain.verify(t)
}

fn active_layer_by_default(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "device": "drive0" }))?;
    chain.vm.complete_and_wait("drive0")?;
    chain.verify(t)
}

fn throttle_mid(vm: &mut Vm) -> TestResult {
    vm.cmd("object-add", json!({ "qom-type": "throttle-group", "id": "group" }))?;
    let filter =
        json!({ "driver": "throttle", "node-name": "filter", "throttle-group": "group", "file": "mid" });
    vm.cmd("blockdev-add", filter)?;
    Ok(())
}

/// Quitting cancels the job and drains all nodes, with one of them outside of the chain.
fn quit_below_a_filter(t: &mut Test, chain: &mut Chain) -> TestResult {
    throttle_mid(&mut chain.vm)?;
    chain.commit(json!({ "device": "drive0" }))?;
    chain.vm.cmd("quit", ())?;
    let status = chain.vm.wait_exit()?;
    t.assert(status.success(), "QEMU quits in peace")
}

fn quit_below_a_later_filter(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit(json!({ "device": "drive0" }))?;
    throttle_mid(&mut chain.vm)?;
    chain.vm.cmd("quit", ())?;
    let status = chain.vm.wait_exit()?;
    t.assert(status.success(), "QEMU quits in peace")
}

fn refused(t: &mut Test, chain: &mut Chain) -> TestResult {
    let Chain { base, mid, vm, .. } = chain;
    let reply = vm.qmp("block-commit", json!({ "device": "nonesuch", "top": mid }))?;
    t.assert_qmp(&reply, "error/class", "DeviceNotFound")?;
    vm.cmd("blockdev-add", json!({ "driver": "null-co", "node-name": "stranger" }))?;
    let not_in_chain = |file: &str| format!("Can't find '{file}' in the backing chain");
    let no_node = |node: &str| format!("Cannot find device='' nor node-name='{node}'");
    let other_chain = |node: &str| format!("'{node}' is not in this backing file chain");
    for (what, why) in [
        (json!({ "top": base, "base": base }), not_in_chain(base)),
        (json!({ "top": base, "base": mid }), not_in_chain(mid)),
        (json!({ "top": mid, "base": "none" }), not_in_chain("none")),
        (json!({ "top": "none", "base": base }), "Top image file none not found".to_owned()),
        (json!({ "top-node": "none", "base-node": "base" }), no_node("none")),
        (json!({ "top-node": "mid", "base-node": "none" }), no_node("none")),
        (json!({ "top-node": "base", "base-node": "top" }), other_chain("top")),
        (json!({ "top-node": "stranger", "base-node": "base" }), other_chain("stranger")),
        (
            json!({ "top-node": "mid", "base-node": "base", "top": mid }),
            "'top-node' and 'top' are mutually exclusive".to_owned(),
        ),
        (
            json!({ "top-node": "mid", "base-node": "base", "base": base }),
            "'base-node' and 'base' are mutually exclusive".to_owned(),
        ),
    ] {
        let reply = vm.qmp("block-commit", Args::from(json!({ "device": "drive0" })).with(what))?;
        t.assert_qmp(&reply, "error/class", "GenericError")?;
        t.assert_qmp(&reply, "error/desc", why)?;
    }
    vm.assert_no_active_block_jobs()
}

impl Chain {
    /// Starts a commit of the middle that stays until it is finalized.
    fn commit_to_be_finalized(&mut self) -> TestResult {
        let how = json!({ "device": "drive0", "top": self.mid, "base": self.base, "auto-finalize": false });
        self.commit(how)?;
        self.vm.job("drive0").wait_status(JobStatus::Pending)?;
        Ok(())
    }
}

/// The filter that a commit puts into the chain does not show in queries.
fn seen_as_before(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit_to_be_finalized()?;
    let disks = chain.vm.query("query-block")?;
    for (path, expected) in [
        ("file", json!(chain.top)),
        ("drv", json!(t.imgfmt())),
        ("backing_file", json!(chain.mid)),
        ("backing_file_depth", json!(2)),
        ("image/filename", json!(chain.top)),
        ("image/backing-image/filename", json!(chain.mid)),
        ("image/backing-image/backing-image/filename", json!(chain.base)),
    ] {
        t.assert_qmp(&disks, &format!("return[0]/inserted/{path}"), expected)?;
    }
    let stats = chain.vm.query("query-blockstats")?;
    t.assert_qmp(&stats, "return[0]/node-name", "top")?;
    t.assert_qmp(&stats, "return[0]/backing/node-name", "mid")?;
    t.assert_qmp(&stats, "return[0]/backing/backing/node-name", "base")?;
    chain.vm.cancel_and_wait("drive0")?;
    Ok(())
}

/// Until it is finalized, a commit leaves the chain as it was, though the data is there already.
fn finalized_by_hand(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.commit_to_be_finalized()?;
    t.assert(chain.vm.node_info("mid")?.is_some(), "the middle is still open")?;
    chain.vm.job("drive0").finalize()?;
    chain.vm.wait_until_completed("drive0")?;
    chain.vm.assert_block_path("top", "/backing", Some("base"))?;
    chain.verify(t)
}

/// A chain with a commit that is too slow to end, though a drain takes it one step further.
fn slow_commit(t: &mut Test) -> TestResult<Chain> {
    let mut chain = Chain::open(t, 8 << 20)?;
    chain.commit(json!({ "device": "drive0", "top": chain.mid, "base": chain.base, "speed": 1 }))?;
    Ok(chain)
}

fn speed(t: &mut Test) -> TestResult {
    let mut chain = slow_commit(t)?;
    let jobs = chain.vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/device", "drive0")?;
    t.assert_qmp(&jobs, "return[0]/speed", 1)?;
    let reply = chain.vm.qmp("block-job-set-speed", json!({ "device": "drive0", "speed": -1 }))?;
    t.assert_qmp(&reply, "error/desc", "Parameter 'speed' expects a non-negative value")?;
    chain.vm.cmd("block-job-set-speed", json!({ "device": "drive0", "speed": 0 }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.verify(t)
}

/// A job on a drive that goes with its device goes too.
fn unplugged(t: &mut Test) -> TestResult {
    let mut chain = slow_commit(t)?;
    chain.vm.cmd("device_del", json!({ "id": "disk" }))?;
    let gone = EventMatch::new("DEVICE_DELETED").data(json!({ "device": "disk" }));
    chain.vm.event_wait(gone)?;
    let cancelled = chain.vm.event_wait("BLOCK_JOB_CANCELLED")?;
    t.assert_qmp(&cancelled, "data/device", "drive0")?;
    chain.vm.job("drive0").wait_status(JobStatus::Null)?;
    chain.vm.assert_no_active_block_jobs()
}

/// The image above what is committed gets another backing file, and has to be writable for that.
fn below_a_read_only_overlay(t: &mut Test) -> TestResult {
    let images: Vec<_> = (0..4).map(|n| t.file(&format!("image{n}"))).collect();
    t.qemu_img_create(["-f", t.imgfmt(), &images[0], "1M"])?;
    for pair in images.windows(2) {
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &pair[0], "-F", t.imgfmt(), &pair[1]])?;
    }
    t.write_pattern(&images[1], 0xab, "0", "128k")?;
    let mut vm = t.vm().drive(&images[3]).launch()?;
    vm.cmd("block-commit", json!({ "device": "drive0", "top": images[1], "base": images[0] }))?;
    vm.wait_until_completed("drive0")?;
    vm.shutdown()?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &images[2]])?;
    t.assert_qmp(&info, "backing-filename", images[0].as_str())?;
    t.verify_pattern(&images[0], 0xab, "0", "128k")
}
