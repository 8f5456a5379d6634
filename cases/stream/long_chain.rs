//! Several jobs at once on one long chain: side by side, or in each other's way.
//!
//! A job that others shall find there is one that waits to be finalized or completed: that holds its
//! nodes, and no drain lets it go on as it does a slow one.
use iotests::prelude::*;

/// Images of the chain, the lowest first; that at `n` is node `node<n>`, the last one `drive0`.
const IMAGES: usize = 8;
const TOP: usize = IMAGES - 1;
const KIB: usize = 64;

struct Chain {
    images: Vec<ScratchFile>,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backing"]);
    let mut chain = s.fixture("", Chain::open);
    chain.test("side_by_side", side_by_side);
    chain.test("stream_in_the_way", stream_in_the_way);
    chain.test("commit_in_the_way", commit_in_the_way);
    chain.test("active_commit_in_the_way", active_commit_in_the_way);
    chain.test("on_top_of_a_commit", on_top_of_a_commit);
    chain.test("down_to_the_filter_of_a_commit", down_to_the_filter_of_a_commit);
    chain.test("before_an_active_commit", before_an_active_commit);
    chain.test("after_an_active_commit", after_an_active_commit);
    chain.test("base_by_node_name", base_by_node_name);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let images: Vec<_> = (0..IMAGES).map(|n| t.file(&format!("image{n}"))).collect();
        let size = format!("{}k", IMAGES * KIB);
        t.qemu_img_create(["-f", t.imgfmt(), &images[0], &size])?;
        for pair in images.windows(2) {
            let [below, image] = pair else { continue };
            t.qemu_img_create(["-u", "-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), image, &size])?;
        }
        for n in (1..IMAGES).step_by(2) {
            t.write_pattern(&images[n], pattern(n), &format!("{}k", n * KIB), "64k")?;
        }
        let names = (0..IMAGES).map(|n| format!("{}node-name=node{n}", "backing.".repeat(TOP - n)));
        let options = names.collect::<Vec<_>>().join(",");
        let drive = Drive::new(&images[TOP]).options(options);
        let vm = t.vm().drive_with(drive).launch()?;
        Ok(Self { images, vm })
    }

    fn refuses(&mut self, t: &Test, command: &str, how: Value, why: &str) -> TestResult {
        let reply = self.vm.qmp(command, Args::from(json!({ "job-id": "other" })).with(how))?;
        t.assert_qmp(&reply, "error/desc", why)
    }

    /// Starts a job and waits until all that is left is to finalize it.
    fn until_pending(&mut self, job: &str, command: &str, how: Value) -> TestResult {
        let stays = Args::from(json!({ "job-id": job, "auto-finalize": false }));
        self.vm.cmd(command, stays.with(how))?;
        self.vm.job(job).wait_status(JobStatus::Pending)?;
        Ok(())
    }

    fn finalize(&mut self, t: &Test, job: &str) -> TestResult {
        self.vm.job(job).finalize()?;
        let end = EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": job }));
        let event = self.vm.event_wait(end)?;
        t.assert_qmp_absent(&event, "data/error")
    }

    /// Demands that the guest would see all data, were this image its disk.
    fn verify(&mut self, t: &Test, image: usize) -> TestResult {
        self.vm.shutdown()?;
        let reads = (1..IMAGES).step_by(2).map(|n| format!("read -P {:#x} {}k 64k", pattern(n), n * KIB));
        let args = reads.flat_map(|read| ["-c".to_owned(), read]).chain([self.images[image].to_string()]);
        let output = t.qemu_io(args)?;
        t.assert(!output.stdout.contains("verification failed"), output.stdout)
    }
}

fn pattern(image: usize) -> u8 {
    0x30 + image as u8
}

/// Each image with an even number takes in the one below it, all at the same time.
fn side_by_side(t: &mut Test, chain: &mut Chain) -> TestResult {
    for n in [2, 4, 6] {
        let arguments = json!({
            "job-id": format!("job{n}"), "device": format!("node{n}"), "bottom": format!("node{}", n - 1),
            "auto-finalize": false,
        });
        chain.vm.cmd("block-stream", arguments)?;
    }
    for n in [2, 4, 6] {
        chain.vm.job(format!("job{n}")).wait_status(JobStatus::Pending)?;
    }
    for n in [4, 6, 2] {
        chain.finalize(t, &format!("job{n}"))?;
    }
    for n in [2, 4, 6] {
        chain.vm.assert_block_path(&format!("node{n}"), "/backing", Some(&format!("node{}", n - 2)))?;
    }
    chain.vm.assert_no_active_block_jobs()?;
    chain.verify(t, TOP)
}

fn stream_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let images = chain.images.clone();
    let stream = json!({ "device": "node4", "base": images[1], "filter-node-name": "filter" });
    chain.until_pending("job4", "block-stream", stream)?;
    let busy = |node| format!("Node '{node}' is busy: block device is in use by block job: stream");
    for (command, arguments, node) in [
        ("block-stream", json!({ "device": "node5", "base": images[2] }), "filter"),
        ("block-stream", json!({ "device": "node3", "base": images[2] }), "node3"),
        ("block-stream", json!({ "device": "node4" }), "node4"),
        ("block-commit", json!({ "device": "drive0", "base": images[4] }), "filter"),
        ("block-commit", json!({ "device": "drive0", "base": images[1], "top": images[3] }), "node3"),
        // It would have to change the backing file name in the image above.
        ("block-commit", json!({ "device": "drive0", "base": images[0], "top": images[1] }), "node2"),
    ] {
        chain.refuses(t, command, arguments, &busy(node))?;
    }
    chain.finalize(t, "job4")?;
    chain.verify(t, TOP)
}

fn commit_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let images = chain.images.clone();
    let commit = json!({ "device": "drive0", "top": images[5], "base": images[3] });
    chain.until_pending("job3", "block-commit", commit)?;
    for (arguments, node) in [
        (json!({ "device": "node3" }), "node3"),
        (json!({ "device": "node6", "base": images[2] }), "node5"),
        (json!({ "device": "node4", "base": images[2] }), "node4"),
        (json!({ "device": "node6", "base": images[4] }), "node5"),
        (json!({ "device": "drive0", "base": images[5] }), "drive0"),
    ] {
        let why = format!("Node '{node}' is busy: block device is in use by block job: commit");
        chain.refuses(t, "block-stream", arguments, &why)?;
    }
    chain.finalize(t, "job3")?;
    chain.verify(t, TOP)
}

/// A commit of the active layer is another kind of job.
fn active_commit_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let base = chain.images[3].clone();
    chain.vm.cmd("block-commit", json!({ "job-id": "job3", "device": "drive0", "base": base }))?;
    chain.vm.wait_ready("job3")?;
    let why = "Node 'node5' is busy: block device is in use by block job: commit";
    chain.refuses(t, "block-stream", json!({ "device": "node5", "base": base }), why)?;
    chain.vm.complete_ready_and_wait("job3")?;
    chain.verify(t, 3)
}

fn on_top_of_a_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    let commit = json!({
        "device": "drive0", "top-node": "node2", "base-node": "node0", "filter-node-name": "filter",
    });
    chain.until_pending("commit", "block-commit", commit)?;
    let stream = json!({ "device": "node4", "base-node": "node2" });
    chain.refuses(t, "block-stream", stream, "Cannot freeze 'backing' link to 'filter'")?;
    chain.finalize(t, "commit")?;
    chain.verify(t, TOP)
}

/// A stream does not depend on its base: that may go away meanwhile.
fn down_to_the_filter_of_a_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    let commit = json!({
        "device": "drive0", "top-node": "node2", "base-node": "node0", "filter-node-name": "filter",
    });
    chain.until_pending("commit", "block-commit", commit)?;
    let stream = json!({ "device": "node4", "base-node": "filter" });
    chain.until_pending("stream", "block-stream", stream)?;
    chain.finalize(t, "commit")?;
    t.assert(chain.vm.node_info("filter")?.is_none(), "the base is gone")?;
    chain.finalize(t, "stream")?;
    chain.vm.assert_no_active_block_jobs()?;
    chain.vm.assert_block_path("node4", "/backing", Some("node0"))?;
    chain.verify(t, TOP)
}

fn before_an_active_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    stream_and_active_commit(chain)?;
    chain.finalize(t, "stream")?;
    chain.vm.assert_block_path("node2", "/backing", Some("node0"))?;
    chain.vm.complete_ready_and_wait("commit")?;
    chain.verify(t, 3)
}

fn after_an_active_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    stream_and_active_commit(chain)?;
    chain.vm.cmd("block-job-complete", json!({ "device": "commit" }))?;
    let end = EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": "commit" }));
    let event = chain.vm.event_wait(end)?;
    t.assert_qmp_absent(&event, "data/error")?;
    chain.finalize(t, "stream")?;
    chain.vm.assert_block_path("node3", "/backing/backing", Some("node0"))?;
    chain.verify(t, 3)
}

/// A stream into the lower part of the chain, and a commit of the rest, both at their end.
fn stream_and_active_commit(chain: &mut Chain) -> TestResult {
    let base = chain.images[3].clone();
    chain.vm.cmd("block-commit", json!({ "job-id": "commit", "device": "drive0", "base": base }))?;
    chain.until_pending("stream", "block-stream", json!({ "device": "node2", "base-node": "node0" }))?;
    chain.vm.wait_ready("commit")?;
    Ok(())
}

fn base_by_node_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    for (base, why) in [
        ("none", "Cannot find device='' nor node-name='none'"),
        ("node6", "Node 'node6' is not a backing image of 'node4'"),
        ("node4", "Node 'node4' is not a backing image of 'node4'"),
    ] {
        chain.refuses(t, "block-stream", json!({ "device": "node4", "base-node": base }), why)?;
    }
    chain.vm.cmd("block-stream", json!({ "job-id": "job0", "device": "node4", "base-node": "node2" }))?;
    chain.vm.wait_until_completed("job0")?;
    chain.vm.assert_block_path("node4", "/backing", Some("node2"))?;
    chain.verify(t, TOP)
}
