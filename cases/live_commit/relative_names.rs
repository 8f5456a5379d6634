//! Committing a chain whose backing files are named relative to the images that use them.
use std::fs::create_dir_all;

use iotests::image::create_image;
use iotests::prelude::*;

/// `low/base` (raw) <- `high/mid` <- `high/er/top`.
struct Chain {
    base: String,
    top: String,
    /// The base and the middle as the images name them.
    names: [&'static str; 2],
    vm: Vm,
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    let mut chain = s.fixture("", Chain::open);
    chain.test("middle", middle);
    chain.test("active_layer", active_layer);
    chain.test("refused", refused);
}

impl Chain {
    fn open(t: &mut Test) -> TestResult<Self> {
        let root = t.file("tree");
        for dir in ["low", "high/er"] {
            create_dir_all(format!("{root}/{dir}"))?;
        }
        let [base, mid, top] = ["low/base", "high/mid", "high/er/top"].map(|name| format!("{root}/{name}"));
        let names = ["../low/base", "../mid"];
        create_image(&base, 1 << 20)?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", names[0], "-F", "raw", &mid])?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", names[1], "-F", t.imgfmt(), &top])?;
        t.write_pattern_as(&base, "raw", 0xab, "0", "512k")?;
        t.write_pattern(&mid, 0xef, "512k", "512k")?;
        let vm = t.vm().drive(&top).launch()?;
        Ok(Self { base, top, names, vm })
    }

    fn verify(&mut self, t: &Test) -> TestResult {
        self.vm.shutdown()?;
        let reads = ["-f", "raw", "-c", "read -P 0xab 0 512k", "-c", "read -P 0xef 512k 512k", &self.base];
        let output = t.qemu_io(reads)?;
        t.assert(!output.stdout.contains("verification failed"), output.stdout)
    }
}

fn middle(t: &mut Test, chain: &mut Chain) -> TestResult {
    let [base, mid] = chain.names;
    chain.vm.cmd("block-commit", json!({ "device": "drive0", "top": mid, "base": base }))?;
    chain.vm.wait_until_completed("drive0")?;
    chain.verify(t)
}

fn active_layer(t: &mut Test, chain: &mut Chain) -> TestResult {
    let arguments = json!({ "device": "drive0", "top": chain.top, "base": chain.names[0] });
    chain.vm.cmd("block-commit", arguments)?;
    chain.vm.complete_and_wait("drive0")?;
    chain.verify(t)
}

fn refused(t: &mut Test, chain: &mut Chain) -> TestResult {
    let [base, mid] = chain.names;
    let not_in_chain = |file: &str| format!("Can't find '{file}' in the backing chain");
    for (top, below, why) in [
        (mid, mid, not_in_chain(mid)),
        (base, mid, not_in_chain(mid)),
        (mid, "none", not_in_chain("none")),
        ("none", base, "Top image file none not found".to_owned()),
    ] {
        let arguments = json!({ "device": "drive0", "top": top, "base": below });
        let reply = chain.vm.qmp("block-commit", arguments)?;
        t.assert_qmp(&reply, "error/desc", why)?;
    }
    chain.vm.assert_no_active_block_jobs()
}
