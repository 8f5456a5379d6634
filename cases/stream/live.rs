//! Data of lower layers copied into a running disk, until it needs them no more.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["stream", "jobs", "quick"]);
    s.test("whole_chain_into_its_top", whole_chain);
    s.test("upper_part_of_the_chain", partial);
    s.test("intermediate_layer_as_target", intermediate);
    s.test("backing_file_is_renamed_in_the_image", backing_file_name);
    s.test("finalized_and_dismissed_by_hand", by_hand);
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

fn whole(t: &Test, image: &str) -> TestResult {
    t.verify_pattern(image, 1, "0", "1M")?;
    t.verify_pattern(image, 2, "1M", "1M")?;
    t.verify_pattern(image, 3, "2M", "2M")
}

fn backing_file(t: &Test, image: &str) -> TestResult<Value> {
    Ok(t.qemu_img_info(["-f", t.imgfmt(), image])?["backing-filename"].clone())
}

fn whole_chain(t: &mut Test) -> TestResult {
    let [base, mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    vm.qmp_log("block-stream", json!({ "job-id": "job0", "device": "drive0", "auto-dismiss": false }))?;
    vm.run_job("job0", RunJob::new())?;
    vm.assert_block_path("top", "/backing", None)?;
    vm.shutdown()?;
    std::fs::remove_file(base)?;
    std::fs::remove_file(mid)?;
    t.assert_eq(backing_file(t, &top)?, Value::Null)?;
    whole(t, &top)
}

fn partial(t: &mut Test) -> TestResult {
    let [base, mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    let arguments =
        json!({ "job-id": "job0", "device": "drive0", "base-node": "base", "auto-dismiss": false });
    vm.qmp_log("block-stream", arguments)?;
    vm.run_job("job0", RunJob::new())?;
    vm.assert_block_path("top", "/backing", Some("base"))?;
    vm.shutdown()?;
    std::fs::remove_file(mid)?;
    t.assert_eq(backing_file(t, &top)?, json!(base))?;
    whole(t, &top)
}

fn intermediate(t: &mut Test) -> TestResult {
    let [base, mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    vm.qmp_log("block-stream", json!({ "job-id": "job0", "device": "mid", "auto-dismiss": false }))?;
    vm.run_job("job0", RunJob::new())?;
    vm.assert_block_path("top", "/backing", Some("mid"))?;
    vm.assert_block_path("top", "/backing/backing", None)?;
    vm.shutdown()?;
    std::fs::remove_file(base)?;
    t.assert_eq(backing_file(t, &top)?, json!(mid))?;
    t.assert_eq(backing_file(t, &mid)?, Value::Null)?;
    whole(t, &top)
}

fn backing_file_name(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "base": base, "backing-file": "base-by-another-name",
        "auto-dismiss": false,
    });
    vm.qmp_log("block-stream", arguments)?;
    vm.run_job("job0", RunJob::new())?;
    vm.shutdown()?;
    let info = t.qemu_img(["info", "-f", t.imgfmt(), &top])?.stdout;
    let line = info.lines().find(|line| line.starts_with("backing file: ")).unwrap_or_default();
    t.assert(line.starts_with("backing file: base-by-another-name"), info.as_str())
}

fn by_hand(t: &mut Test) -> TestResult {
    let [_base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "auto-finalize": false, "auto-dismiss": false,
    });
    vm.qmp_log("block-stream", arguments)?;
    let check = |vm: &mut Vm| {
        let jobs = vm.cmd("query-jobs", ())?;
        t.log(format!("waits to be finalized as {}", jobs[0]["status"]));
        t.assert_eq(jobs[0]["status"].as_str(), Some("pending"))
    };
    vm.run_job("job0", RunJob::new().manual_finalize().pre_finalize(check))?;
    vm.shutdown()?;
    whole(t, &top)
}

fn mistakes(t: &mut Test) -> TestResult {
    let [base, _mid, top] = chain(t)?;
    let mut vm = vm(t, &top)?;
    for arguments in [
        json!({ "device": "nonesuch" }),
        json!({ "job-id": "job0", "device": "drive0", "base": "nonesuch" }),
        json!({ "job-id": "job0", "device": "drive0", "base": base, "base-node": "base" }),
        json!({ "job-id": "job0", "device": "mid", "base-node": "top" }),
        json!({ "device": "top", "job-id": "" }),
        json!({ "job-id": "job0", "device": "drive0", "backing-file": "renamed" }),
        json!({ "job-id": "job0", "device": "drive0", "speed": -1 }),
        json!({ "job-id": "job0", "device": "drive0", "on-error": "explode" }),
    ] {
        vm.qmp_log("block-stream", arguments)?;
    }
    Ok(vm.shutdown()?)
}
