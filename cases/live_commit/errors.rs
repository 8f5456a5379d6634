//! A commit that fails once to read or to write, and is told to report that, to try again, or to stop.
use iotests::prelude::*;

const SIZE: u64 = 2 << 20;
/// How much of it is written in the middle and on top.
const DATA: u64 = 512 << 10;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).unsupported_imgopts(["cluster_size"]).groups(["rw", "backing", "quick"]);
    let actions = ["report", "ignore", "stop"];
    s.test("active_layer_read", |t| commit_over_error(t, "top", "read")).params(actions);
    s.test("active_layer_write", |t| commit_over_error(t, "top", "write")).params(actions);
    s.test("middle_read", |t| commit_over_error(t, "mid", "read")).params(actions);
    s.test("middle_write", |t| commit_over_error(t, "mid", "write")).params(actions);
}

/// Commits the node `from`, top or mid, into the one below it, where the `operation` fails.
fn commit_over_error(t: &mut Test, from: &str, operation: &str) -> TestResult {
    let [base, mid, top] = t.files(["base", "mid", "top"]);
    t.qemu_img_create(["-f", "raw", &base, &SIZE.to_string()])?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &mid])?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &mid, "-F", t.imgfmt(), &top])?;
    t.write_pattern(&mid, 0x11, "0", "512k")?;
    t.write_pattern(&top, 0x22, "0", "512k")?;
    let (into, source, target, target_format) =
        if from == "top" { ("mid", &top, &mid, t.imgfmt()) } else { ("base", &mid, &base, "raw") };
    let broken = if operation == "read" { from } else { into };

    // Half way into the data of whatever image it is.
    let file = |path: &ScratchFile, node: &str, sector: u64| {
        let image = json!({ "driver": "file", "filename": path });
        if node != broken {
            return image;
        }
        let error = json!([{ "event": format!("{operation}_aio"), "sector": sector, "once": true }]);
        json!({ "driver": "blkdebug", "image": image, "inject-error": error })
    };
    let mut vm = t
        .vm()
        .blockdev(json!({
            "node-name": "base", "driver": "raw", "file": file(&base, "base", 512),
        }))
        .blockdev(json!({
            "node-name": "mid", "driver": t.imgfmt(), "backing": "base",
            "file": file(&mid, "mid", 1024),
        }))
        .blockdev(json!({
            "node-name": "top", "driver": t.imgfmt(), "backing": "mid",
            "file": file(&top, "top", 1024),
        }))
        .launch()?;
    let commit = json!({
        "job-id": "job0", "device": "top", "top-node": from, "base-node": into, "on-error": t.param(),
    });
    vm.cmd("block-commit", commit)?;

    let event = vm.event_wait("BLOCK_JOB_ERROR")?;
    let expected = json!({ "device": "job0", "operation": operation, "action": t.param() });
    t.assert_qmp(&event, "data", expected)?;
    if t.param() == "report" {
        let event = vm.wait_until_failed("job0", "Input/output error")?;
        t.assert_qmp(&event, "data/offset", 0)?;
        vm.shutdown()?;
        let same = t.compare_images_as(source, t.imgfmt(), target, target_format)?;
        return t.assert(!same, "what could not be copied is missing");
    }
    // To ignore an error is to try again.
    if t.param() == "stop" {
        vm.job("job0").wait_paused()?;
        vm.cmd("block-job-resume", json!({ "device": "job0" }))?;
    }
    let event = match from {
        "top" => vm.complete_and_wait("job0")?,
        _ => vm.wait_until_completed("job0")?,
    };
    t.assert_qmp(&event, "data/len", if from == "top" { DATA } else { SIZE })?;
    vm.shutdown()?;
    let same = t.compare_images_as(source, t.imgfmt(), target, target_format)?;
    t.assert(same, "all was copied in the end")
}
