//! A base that cannot be read in one place, once, and what a stream makes of it.
use iotests::image::create_image;
use iotests::prelude::*;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// Streaming goes by chunks of 512 KiB; the second cannot be read.
const CHUNK: u64 = 512 << 10;
const SIZE: u64 = 2 << 20;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).unsupported_imgopts(["cluster_size"]).groups(["rw", "backing", "quick"]);
    let actions = ["report", "ignore", "stop", "enospc"];
    s.test("input_output", |t| stream_over_error(t, EIO)).params(actions);
    s.test("no_space", |t| stream_over_error(t, ENOSPC)).params(actions);
}

fn stream_over_error(t: &mut Test, errno: i32) -> TestResult {
    let [base, top] = t.files(["base", "top"]);
    create_image(&base, SIZE)?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", "raw", &top])?;
    let mut vm = t
        .vm()
        .blockdev(json!({
            "node-name": "debug", "driver": "blkdebug",
            "image": { "driver": "file", "filename": base },
            "inject-error": [{ "event": "read_aio", "errno": errno, "sector": CHUNK / 512, "once": true }],
        }))
        .blockdev(json!({ "node-name": "base", "driver": "raw", "file": "debug" }))
        .blockdev(json!({
            "node-name": "top", "driver": t.imgfmt(), "backing": "base",
            "file": { "driver": "file", "filename": top },
        }))
        .launch()?;
    vm.cmd("block-stream", json!({ "job-id": "job0", "device": "top", "on-error": t.param() }))?;

    let action = match (t.param(), errno) {
        ("enospc", ENOSPC) => "stop",
        ("enospc", _) => "report",
        (asked, _) => asked,
    };
    let error = vm.event_wait("BLOCK_JOB_ERROR")?;
    t.assert_qmp(&error, "data/device", "job0")?;
    t.assert_qmp(&error, "data/operation", "read")?;
    t.assert_qmp(&error, "data/action", action)?;

    if action == "stop" {
        vm.job("job0").wait_paused()?;
        let jobs = vm.query("query-block-jobs")?;
        t.assert_qmp(&jobs, "return[0]/status", "paused")?;
        t.assert_qmp(&jobs, "return[0]/offset", CHUNK)?;
        t.assert_qmp(&jobs, "return[0]/io-status", if errno == ENOSPC { "nospace" } else { "failed" })?;
        vm.cmd("block-job-resume", json!({ "device": "job0" }))?;
        vm.wait_until_completed("job0")?;
        vm.shutdown()?;
        let same = t.compare_images_as(&top, t.imgfmt(), &base, "raw")?;
        return t.assert(same, "what failed was read again");
    }
    let message = if errno == ENOSPC { "No space left on device" } else { "Input/output error" };
    let event = vm.wait_until_failed("job0", message)?;
    t.assert_qmp(&event, "data/type", "stream")?;
    t.assert_qmp(&event, "data/len", SIZE)?;
    t.assert_qmp(&event, "data/offset", if action == "ignore" { SIZE } else { CHUNK })?;
    vm.assert_block_path("top", "/backing", Some("base"))
}
