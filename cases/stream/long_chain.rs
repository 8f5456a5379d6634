//! Several jobs at once on one long chain: side by side, or in each other's way.
use iotests::prelude::*;

/// Images of the chain, the lowest first; that at `n` is node `node<n>`, the last one `drive0`.
const IMAGES: usize = 8;
const TOP: usize = IMAGES - 1;
const SIZE: usize = IMAGES << 20;

struct Chain {
    images: Vec<ScratchFile>,
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing"]);
    let mut chain = s.fixture("", Chain::open);
    chain.test("side_by_side", side_by_side);
    chain.test("stream_in_the_way", stream_in_the_way);
    chain.test("commit_in_the_way", commit_in_the_way);
    chain.test("active_commit_in_the_way", active_commit_in_the_way);
    chain.test("on_top_of_a_commit", on_top_of_a_commit);
    chain.test("down_to_the_filter_of_a_commit", down_to_the_filter_of_a_commit);
    chain.test("with_an_active_commit", with_an_active_commit);
    chain.test("with_a_slow_active_commit", with_a_slow_active_commit);
    chain.test("base_by_node_name", base_by_node_name);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let images: Vec<_> = (0..IMAGES).map(|n| t.file(&format!("image{n}"))).collect();
        let size = SIZE.to_string();
        t.qemu_img_create(["-f", t.imgfmt(), &images[0], &size])?;
        for pair in images.windows(2) {
            let [below, image] = pair else { continue };
            t.qemu_img_create(["-u", "-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), image, &size])?;
        }
        // More than a slow job does at once.
        for n in (1..IMAGES).step_by(2) {
            t.write_pattern(&images[n], pattern(n), &format!("{n}M"), "1M")?;
        }
        let names = (0..IMAGES).map(|n| format!("{}node-name=node{n}", "backing.".repeat(TOP - n)));
        let options = names.collect::<Vec<_>>().join(",");
        let drive = Drive::new(&images[TOP]).options(options);
        let vm = t.vm().drive_with(drive).launch()?;
        Ok(Self { images, vm })
    }

    fn refuses(&mut self, t: &Test, command: &str, arguments: Value, why: &str) -> TestResult {
        let reply = self.vm.qmp(command, arguments)?;
        t.assert_qmp(&reply, "error/desc", why)
    }

    fn full_speed(&mut self, job: &str) -> TestResult {
        self.vm.cmd("block-job-set-speed", json!({ "device": job, "speed": 0 }))?;
        Ok(())
    }

    /// Demands that the guest would see all data, were this image its disk.
    fn verify(&mut self, t: &Test, image: usize) -> TestResult {
        self.vm.shutdown()?;
        let reads = (1..IMAGES).step_by(2).map(|n| format!("read -P {:#x} {n}M 1M", pattern(n)));
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
    let jobs: Vec<_> = (2..TOP).step_by(2).map(|n| format!("into-node{n}")).collect();
    for (job, n) in jobs.iter().zip((2..TOP).step_by(2)) {
        let (into, from) = (format!("node{n}"), format!("node{}", n - 1));
        let arguments = json!({ "job-id": job, "device": into, "bottom": from, "speed": 1024 });
        chain.vm.cmd("block-stream", arguments)?;
    }
    let running = chain.vm.query("query-block-jobs")?;
    t.assert_eq(running["return"].as_array().map(Vec::len), Some(jobs.len()))?;
    // From the top: a job that ends lets those above it go on, but not those below.
    for job in jobs.iter().rev() {
        chain.full_speed(job)?;
    }
    for job in &jobs {
        let event = chain.vm.event_wait(EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": job })))?;
        t.assert_qmp_absent(&event, "data/error")?;
    }
    chain.vm.assert_no_active_block_jobs()?;
    for n in (2..TOP).step_by(2) {
        chain.vm.assert_block_path(&format!("node{n}"), "/backing", Some(&format!("node{}", n - 2)))?;
    }
    chain.verify(t, TOP)
}

fn stream_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let images = chain.images.clone();
    chain.vm.cmd(
        "block-stream",
        json!({
            "job-id": "job4", "device": "node4", "base": images[1],
            "filter-node-name": "filter", "speed": 1024,
        }),
    )?;
    let busy = |node| format!("Node '{node}' is busy: block device is in use by block job: stream");
    for (command, arguments, node) in [
        ("block-stream", json!({ "job-id": "other", "device": "node5", "base": images[2] }), "filter"),
        ("block-stream", json!({ "job-id": "other", "device": "node3", "base": images[2] }), "node3"),
        ("block-stream", json!({ "job-id": "other", "device": "node4" }), "node4"),
        ("block-commit", json!({ "job-id": "other", "device": "drive0", "base": images[4] }), "filter"),
        (
            "block-commit",
            json!({ "job-id": "other", "device": "drive0", "base": images[1], "top": images[3] }),
            "node3",
        ),
        // It would have to change the backing file name in the image above.
        (
            "block-commit",
            json!({ "job-id": "other", "device": "drive0", "base": images[0], "top": images[1] }),
            "node2",
        ),
    ] {
        chain.refuses(t, command, arguments, &busy(node))?;
    }
    chain.full_speed("job4")?;
    chain.vm.wait_until_completed("job4")?;
    chain.verify(t, TOP)
}

fn commit_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let images = chain.images.clone();
    chain.vm.cmd(
        "block-commit",
        json!({ "job-id": "job3", "device": "drive0", "top": images[5], "base": images[3], "speed": 1024 }),
    )?;
    for (arguments, node) in [
        (json!({ "job-id": "other", "device": "node3" }), "node3"),
        (json!({ "job-id": "other", "device": "node6", "base": images[2] }), "node5"),
        (json!({ "job-id": "other", "device": "node4", "base": images[2] }), "node4"),
        (json!({ "job-id": "other", "device": "node6", "base": images[4] }), "node5"),
        (json!({ "job-id": "other", "device": "drive0", "base": images[5] }), "drive0"),
    ] {
        let why = format!("Node '{node}' is busy: block device is in use by block job: commit");
        chain.refuses(t, "block-stream", arguments, &why)?;
    }
    chain.full_speed("job3")?;
    chain.vm.wait_until_completed("job3")?;
    chain.verify(t, TOP)
}

/// A commit of the active layer is another kind of job.
fn active_commit_in_the_way(t: &mut Test, chain: &mut Chain) -> TestResult {
    let base = chain.images[3].clone();
    chain.vm.cmd(
        "block-commit",
        json!({ "job-id": "job3", "device": "drive0", "base": base, "speed": 1024 }),
    )?;
    let why = "Node 'node5' is busy: block device is in use by block job: commit";
    let arguments = json!({ "job-id": "other", "device": "node5", "base": base });
    chain.refuses(t, "block-stream", arguments, why)?;
    chain.full_speed("job3")?;
    chain.vm.complete_and_wait("job3")?;
    chain.verify(t, 3)
}

fn on_top_of_a_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    let images = chain.images.clone();
    chain.vm.cmd(
        "block-commit",
        json!({
            "device": "drive0", "top": images[2], "base": images[0],
            "filter-node-name": "filter", "speed": 1024,
        }),
    )?;
    let arguments = json!({ "job-id": "other", "device": "node4", "base-node": "node2" });
    chain.refuses(t, "block-stream", arguments, "Cannot freeze 'backing' link to 'filter'")?;
    chain.full_speed("drive0")?;
    chain.vm.wait_until_completed("drive0")?;
    chain.verify(t, TOP)
}

/// A stream does not depend on its base: that may go away meanwhile.
fn down_to_the_filter_of_a_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.cmd(
        "block-commit",
        json!({
            "device": "drive0", "top-node": "node2", "base-node": "node0",
            "filter-node-name": "filter", "speed": 1024,
        }),
    )?;
    chain.vm.cmd(
        "block-stream",
        json!({ "job-id": "job4", "device": "node4", "base-node": "filter" }),
    )?;
    chain.full_speed("drive0")?;
    for job in ["drive0", "job4"] {
        let event = chain.vm.event_wait(EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": job })))?;
        t.assert_qmp_absent(&event, "data/error")?;
    }
    chain.vm.assert_no_active_block_jobs()?;
    chain.vm.assert_block_path("node4", "/backing", Some("node0"))?;
    chain.verify(t, TOP)
}

fn with_an_active_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    let base = chain.images[3].clone();
    chain.vm.cmd("block-stream", json!({ "job-id": "job2", "device": "node2", "base-node": "node0" }))?;
    chain.vm.cmd("block-commit", json!({ "device": "drive0", "base": base }))?;
    both_to_their_end(t, chain, "job2")?;
    chain.vm.assert_block_path("node2", "/backing", Some("node0"))?;
    chain.verify(t, 3)
}

fn with_a_slow_active_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    let base = chain.images[5].clone();
    let stream = json!({ "job-id": "job4", "device": "node4", "base-node": "node0", "speed": 1024 });
    chain.vm.cmd("block-stream", stream)?;
    chain.vm.cmd("block-commit", json!({ "device": "drive0", "base": base, "speed": 1024 }))?;
    for job in ["drive0", "job4"] {
        chain.full_speed(job)?;
    }
    both_to_their_end(t, chain, "job4")?;
    chain.verify(t, 5)
}

/// Completes the commit of `drive0` once it is ready, and waits for it and a stream to end.
fn both_to_their_end(t: &Test, chain: &mut Chain, stream: &str) -> TestResult {
    let ready = chain.vm.wait_ready("drive0")?;
    t.assert_qmp(&ready, "data/type", "commit")?;
    chain.vm.cmd("block-job-complete", json!({ "device": "drive0" }))?;
    for job in [stream, "drive0"] {
        let event = chain.vm.event_wait(EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": job })))?;
        t.assert_qmp_absent(&event, "data/error")?;
    }
    chain.vm.assert_no_active_block_jobs()
}

fn base_by_node_name(t: &mut Test, chain: &mut Chain) -> TestResult {
    for (base, why) in [
        ("none", "Cannot find device='' nor node-name='none'"),
        ("node6", "Node 'node6' is not a backing image of 'node4'"),
        ("node4", "Node 'node4' is not a backing image of 'node4'"),
    ] {
        let arguments = json!({ "job-id": "job0", "device": "node4", "base-node": base });
        chain.refuses(t, "block-stream", arguments, why)?;
    }
    chain.vm.cmd("block-stream", json!({ "job-id": "job0", "device": "node4", "base-node": "node2" }))?;
    chain.vm.wait_until_completed("job0")?;
    chain.vm.assert_block_path("node4", "/backing", Some("node2"))?;
    chain.verify(t, TOP)
}
