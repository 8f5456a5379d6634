//! Layers of a running disk committed into what is below them, told step by step.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["commit", "jobs", "quick"]);
    s.test("intermediate_layer_goes_into_the_one_below", intermediate);
    s.test("active_layer_goes_into_the_one_below", active);
    s.test("whole_chain_goes_into_its_bottom", whole_chain).unsupported_imgopts(["cluster_size"]);
    s.test("active_commit_given_up_when_ready", cancelled).unsupported_imgopts(["cluster_size"]);
    s.test("writes_during_an_active_commit_are_not_lost", busy);
    s.test("mistakes_are_refused", mistakes).formats(["qcow2"]);
}

/// Three layers: each has a MiB of its own, 1 to 3 from the bottom, and one over the layer below.
fn chain(t: &Test) -> TestResult<[String; 3]> {
    let layers = t.files(["base", "mid", "top"]);
    for (index, layer) in layers.iter().enumerate() {
        match index {
            0 => t.qemu_img_create(["-f", t.imgfmt(), layer, "4M"])?,
            _ => t.qemu_img_create(["-f", t.imgfmt(), "-b", &layers[index - 1], "-F", t.imgfmt(), layer])?,
        };
        t.write_pattern(layer, index as u8 + 1, &format!("{index}M"), "2M")?;
    }
    Ok(layers.map(|layer| layer.to_string()))
}

fn vm(t: &Test, top: &str) -> TestResult<Vm> {
    let names = "node-name=top,backing.node-name=mid,backing.backing.node-name=base";
    Ok(t.vm().drive_with(Drive::new(top).options(names)).launch()?)
}

/// What the whole chain reads as, from its top or from wherever all of it was committed to.
fn whole(t: &Test, image: &str) -> TestResult {
    t.verify_pattern(image, 1, "0", "1M")?;
    t.verify_pattern(image, 2, "1M", "1M")?;
    t.verify_pattern(image, 3, "2M", "2M")
}

fn intermediate(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "top-node": "mid", "base-node": "base", "auto-dismiss": false,
    });
    vm.qmp_log("block-commit", arguments)?;
    vm.run_job("job0", RunJob::new())?;
    vm.assert_block_path("top", "/backing", Some("base"))?;
    vm.shutdown()?;
    t.assert_qmp(&t.qemu_img_info(["-f", t.imgfmt(), &top])?, "backing-filename", base.as_str())?;
    whole(t, &top)?;
    t.verify_pattern(&base, 2, "1M", "2M")
}

fn active(t: &mut Test) -> TestResult {
    let [_base, mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    let arguments =
        json!({ "job-id": "job0", "device": "drive0", "base-node": "mid", "auto-dismiss": false });
    vm.qmp_log("block-commit", arguments)?;
    vm.run_job("job0", RunJob::new())?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/node-name", "mid")?;
    vm.shutdown()?;
    whole(t, &mid)
}

fn whole_chain(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    vm.qmp_log("block-commit", json!({ "job-id": "job0", "device": "drive0", "auto-dismiss": false }))?;
    vm.run_job("job0", RunJob::new())?;
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/node-name", "base")?;
    vm.shutdown()?;
    whole(t, &base)
}

fn cancelled(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    vm.qmp_log("block-commit", json!({ "job-id": "job0", "device": "drive0" }))?;
    let ready = vm.event_wait("BLOCK_JOB_READY")?;
    vm.log_event(&ready);
    vm.qmp_log("block-job-cancel", json!({ "device": "job0" }))?;
    // A job that was ready has done all of its work, so this is no cancellation.
    let end = vm.event_wait("BLOCK_JOB_COMPLETED")?;
    vm.log_event(&end);
    let block = vm.query("query-block")?;
    t.assert_qmp(&block, "return[0]/inserted/node-name", "top")?;
    vm.write_pattern("drive0", 9, "0", "64k")?;
    vm.shutdown()?;
    t.verify_pattern(&top, 9, "0", "64k")?;
    whole(t, &base)
}

fn busy(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    vm.cmd("block-commit", json!({ "job-id": "job0", "device": "drive0" }))?;
    // Not before: QEMU may lose what is written while the job starts (up to 10.1).
    vm.event_wait("BLOCK_JOB_READY")?;
    vm.write_pattern("drive0", 0x51, "512k", "64k")?;
    vm.write_pattern("drive0", 0x52, "3M", "64k")?;
    vm.cmd("job-complete", json!({ "id": "job0" }))?;
    vm.wait_until_completed("job0")?;
    vm.write_pattern("drive0", 0x53, "1M", "64k")?;
    vm.shutdown()?;
    for (byte, offset) in [(0x51, "512k"), (0x52, "3M"), (0x53, "1M")] {
        t.verify_pattern(&base, byte, offset, "64k")?;
    }
    Ok(())
}

fn mistakes(t: &mut Test) -> TestResult {
    let [base, mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    for arguments in [
        json!({ "device": "nonesuch" }),
        json!({ "job-id": "job0", "device": "drive0", "top-node": "base", "base-node": "base" }),
        json!({ "job-id": "job0", "device": "drive0", "top-node": "base", "base-node": "mid" }),
        json!({ "job-id": "job0", "device": "drive0", "top-node": "mid", "top": mid }),
        json!({ "job-id": "job0", "device": "drive0", "top": "nonesuch" }),
        json!({ "job-id": "job0", "device": "drive0", "base": "nonesuch" }),
        json!({ "job-id": "job0", "device": "drive0", "top": mid, "base": base, "speed": -1 }),
        json!({ "job-id": "0bad", "device": "drive0", "top": mid, "base": base }),
        json!({ "job-id": "job0", "device": "drive0", "top-node": "nonesuch" }),
    ] {
        vm.qmp_log("block-commit", arguments)?;
    }
    Ok(vm.shutdown()?)
}
