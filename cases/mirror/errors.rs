//! A mirror that fails once to read its source or to write its target, and is told to report that, to
//! go on, or to stop.
use iotests::image::create_image;
use iotests::prelude::*;

const SIZE: u64 = 2 << 20;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["rw", "backing", "quick"]);
    let actions = ["report", "ignore", "stop"];
    s.test("read", |t| mirror_over_error(t, "read")).params(actions);
    s.test("write", |t| mirror_over_error(t, "write")).params(actions).unsupported_imgopts(["cluster_size"]);
}

fn mirror_over_error(t: &mut Test, operation: &str) -> TestResult {
    let [base, source, target] = t.files(["base", "source", "target"]);
    create_image(&base, SIZE)?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &source])?;
    t.qemu_img_create(["-f", t.imgfmt(), &target, &SIZE.to_string()])?;
    // In the middle of the base, and somewhere in the data of the target.
    let file = |path: &ScratchFile, broken: &str| {
        let image = json!({ "driver": "file", "filename": path });
        if broken != operation {
            return image;
        }
        let event = format!("{operation}_aio");
        let error = json!([{ "event": event, "sector": SIZE / 2 / 512, "once": true }]);
        json!({ "driver": "blkdebug", "image": image, "inject-error": error })
    };
    let mut vm = t
        .vm()
        .blockdev(json!({ "node-name": "base", "driver": "raw", "file": file(&base, "read") }))
        .blockdev(json!({
            "node-name": "source", "driver": t.imgfmt(), "backing": "base", "file": file(&source, "none"),
        }))
        .blockdev(json!({
            "node-name": "target", "driver": t.imgfmt(), "file": file(&target, "write"),
        }))
        .launch()?;
    let side = if operation == "read" { "on-source-error" } else { "on-target-error" };
    let mirror = json!({
        "job-id": "job0", "device": "source", "target": "target", "sync": "full", side: t.param(),
    });
    vm.cmd("blockdev-mirror", mirror)?;

    let event = vm.event_wait("BLOCK_JOB_ERROR")?;
    let expected = json!({ "device": "job0", "operation": operation, "action": t.param() });
    t.assert_qmp(&event, "data", expected)?;
    match t.param() {
        "report" => {
            let event = vm.wait_until_failed("job0", "Input/output error")?;
            return t.assert_qmp(&event, "data/type", "mirror");
        }
        "stop" => {
            vm.job("job0").wait_paused()?;
            let jobs = vm.query("query-block-jobs")?;
            t.assert_qmp(&jobs, "return[0]/io-status", "failed")?;
            vm.cmd("block-job-resume", json!({ "device": "job0" }))?;
        }
        _ => {}
    }
    vm.wait_ready("job0")?;
    let jobs = vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/status", "ready")?;
    t.assert_qmp(&jobs, "return[0]/io-status", "ok")?;
    vm.complete_ready_and_wait("job0")?;
    vm.shutdown()?;
    let same = t.compare_images_as(&base, "raw", &target, t.imgfmt())?;
    t.assert(same, "what failed was copied later")
}
