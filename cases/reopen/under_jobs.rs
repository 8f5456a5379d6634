//! Reopening what a stream or a commit changes, or has changed.
use iotests::prelude::*;

/// hd2 <- hd1 <- hd0, by the options of the nodes alone.
struct Chain {
    options: Value,
    vm: Vm,
}

const BACKING: &str = "backing";

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backing", "quick"]);
    let mut chain = s.fixture("", Chain::open);
    chain.test("after_a_stream", after_a_stream);
    chain.test("after_a_stream_of_all", after_a_stream_of_all);
    chain.test("below_a_stream", below_a_stream);
    chain.test("above_a_stream", above_a_stream);
    chain.test("during_an_active_commit", during_an_active_commit);
    chain.test("during_a_commit", during_a_commit);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let mut options = Value::Null;
        for n in [2, 1, 0] {
            let path = t.file(&format!("hd{n}"));
            t.qemu_img_create(["-f", t.imgfmt(), &path, "1M"])?;
            options = json!({
                "driver": t.imgfmt(), "node-name": format!("hd{n}"), BACKING: options,
                "file": { "driver": "file", "node-name": format!("hd{n}-file"), "filename": path },
            });
        }
        let mut vm = t.vm().launch()?;
        vm.cmd("blockdev-add", &options)?;
        Ok(Self { options, vm })
    }

    fn reopen(&mut self, options: &Value) -> TestResult {
        self.vm.cmd("blockdev-reopen", json!({ "options": [options] }))?;
        Ok(())
    }

    fn refuses(&mut self, t: &Test, options: &Value, why: &str) -> TestResult {
        let reply = self.vm.qmp("blockdev-reopen", json!({ "options": [options] }))?;
        t.assert_qmp(&reply, "error/desc", why)
    }

    /// The options with another child below the node.
    fn over(&self, backing: Value) -> Value {
        let mut options = self.options.clone();
        options[BACKING] = backing;
        options
    }

    /// The options without one of those below the node.
    fn over_hd1_alone(&self) -> Value {
        let mut options = self.options.clone();
        options[BACKING][BACKING] = Value::Null;
        options
    }

    /// The options without a word of what is below the node.
    fn silent(&self) -> Value {
        let mut options = self.options.clone();
        options.as_object_mut().map(|options| options.shift_remove(BACKING));
        options
    }

    /// Starts a job that holds its nodes until it is finalized.
    fn start(&mut self, command: &str, how: Value) -> TestResult {
        let stays = Args::from(json!({ "job-id": "job0", "auto-finalize": false }));
        self.vm.cmd(command, stays.with(how))?;
        self.vm.job("job0").wait_status(JobStatus::Pending)?;
        Ok(())
    }

    fn finalize(&mut self) -> TestResult {
        self.vm.job("job0").finalize()?;
        self.vm.wait_until_completed("job0")?;
        Ok(())
    }
}

fn after_a_stream(t: &mut Test, chain: &mut Chain) -> TestResult {
    let stream = json!({ "job-id": "job0", "device": "hd0", "base-node": "hd2" });
    chain.vm.cmd("block-stream", stream)?;
    chain.vm.wait_until_completed("job0")?;
    t.assert(chain.vm.node_info("hd1")?.is_none(), "what was streamed is closed")?;
    // These options are for what is gone.
    chain.refuses(t, &chain.options.clone(), "Cannot change the option 'backing.driver'")?;
    chain.reopen(&chain.over(chain.options[BACKING][BACKING].clone()))?;
    chain.reopen(&chain.over(json!("hd2")))?;
    chain.refuses(t, &chain.silent(), "backing is missing for 'hd0'")?;
    chain.vm.cmd("blockdev-del", json!({ "node-name": "hd0" }))?;
    t.assert(chain.vm.node_info("hd2")?.is_none(), "the base went with its user")
}

fn after_a_stream_of_all(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.cmd("block-stream", json!({ "job-id": "job0", "device": "hd0" }))?;
    chain.vm.wait_until_completed("job0")?;
    let reply = chain.vm.qmp("blockdev-reopen", json!({ "options": [chain.options] }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    chain.reopen(&chain.silent())?;
    chain.reopen(&chain.over(Value::Null))?;
    chain.vm.cmd("blockdev-del", json!({ "node-name": "hd0" }))?;
    Ok(())
}

/// A stream holds what it reads, but not its base.
fn below_a_stream(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.start("block-stream", json!({ "device": "hd0", "base-node": "hd2" }))?;
    chain.reopen(&chain.over_hd1_alone())?;
    let why = "Cannot change frozen 'backing' link from 'hd0' to 'hd1'";
    chain.refuses(t, &chain.over(Value::Null), why)?;
    chain.finalize()
}

fn above_a_stream(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.start("block-stream", json!({ "device": "hd1", "filter-node-name": "filter" }))?;
    // The filter of the stream is now where hd1 was.
    let why = "Cannot change the option 'backing.backing.file.node-name'";
    chain.refuses(t, &chain.options.clone(), why)?;
    let mut hd1 = chain.options[BACKING].clone();
    hd1["read-only"] = json!(true);
    chain.refuses(t, &hd1, "Read-only block node 'hd1' cannot support read-write users")?;
    hd1["read-only"] = json!(false);
    hd1[BACKING] = Value::Null;
    chain.refuses(t, &hd1, "Cannot change frozen 'backing' link from 'hd1' to 'hd2'")?;
    // The link above it is nothing to the stream.
    chain.reopen(&chain.over(Value::Null))?;
    chain.finalize()
}

fn during_an_active_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.vm.cmd("block-commit", json!({ "job-id": "job0", "device": "hd0" }))?;
    let why = "Cannot change frozen 'backing' link from 'hd1' to 'hd2'";
    chain.refuses(t, &chain.over_hd1_alone(), why)?;
    let why = "Cannot change frozen 'backing' link from 'hd0' to 'hd1'";
    chain.refuses(t, &chain.over(Value::Null), why)?;
    let ready = chain.vm.wait_ready("job0")?;
    t.assert_qmp(&ready, "data/type", "commit")?;
    chain.vm.complete_ready_and_wait("job0")?;
    Ok(())
}

fn during_a_commit(t: &mut Test, chain: &mut Chain) -> TestResult {
    chain.start("block-commit", json!({ "device": "hd0", "top-node": "hd1" }))?;
    let why = "Cannot change the option 'backing.driver'";
    chain.refuses(t, &chain.over_hd1_alone(), why)?;
    let why = "Cannot replace implicit backing child of hd0";
    chain.refuses(t, &chain.over(Value::Null), why)?;
    chain.finalize()?;
    t.assert(chain.vm.node_info("hd1")?.is_none(), "what was committed is closed")?;
    for (node, read_only) in [("hd0", false), ("hd2", true)] {
        let info = chain.vm.node_info(node)?.unwrap_or_default();
        t.assert_qmp(&info, "ro", read_only)?;
    }
    Ok(())
}
