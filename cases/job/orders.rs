//! Orders that a running job takes: pause, resume, a new speed, cancel.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2"]).groups(["jobs", "quick"]);
    s.test("paused_until_resumed", paused);
    s.test("paused_and_then_cancelled", paused_and_cancelled);
    s.test("slow_until_told_to_hurry", speed);
    s.test("cancelled_in_mid_work", cancelled);
    s.test("each_status_in_turn", statuses);
    s.test("ready_job_can_be_paused", paused_when_ready);
    s.test("job_at_its_end_is_not_waited_for", not_paused_any_more);
    s.test("two_jobs_at_once", two)
        .ignores_stderr("block size of 65536 bytes is used", "a raw target can't say what its block size is");
    s.test("orders_to_nobody", nobody).formats(["raw"]);
    s.test("orders_at_the_wrong_time", wrong_time).formats(["raw"]);
}

/// A VM with a full disk of 4 MiB and an empty node `target` of the same size.
fn vm(t: &Test) -> TestResult<Vm> {
    let [source, target] = t.files(["source", "target"]);
    for image in [&source, &target] {
        t.qemu_img_create(["-f", t.imgfmt(), image, "4M"])?;
    }
    t.write_pattern(&source, 0x31, "0", "4M")?;
    let node = json!({
        "driver": t.imgfmt(), "node-name": "target", "file": { "driver": "file", "filename": target },
    });
    Ok(t.vm().drive(&source).blockdev(node).launch()?)
}

/// A copy that takes hours, unless it is told to hurry.
fn crawl(vm: &mut Vm, command: &str) -> TestResult {
    let mut arguments = json!({
        "job-id": "job0", "device": "drive0", "target": "target", "sync": "full", "speed": 1,
    });
    if command == "blockdev-mirror" {
        // Speed is looked at only when the buffer has gone round once.
        arguments["buf-size"] = json!(65536);
    }
    vm.cmd(command, arguments)?;
    Ok(())
}

fn hurry(vm: &mut Vm) -> TestResult {
    vm.cmd("block-job-set-speed", json!({ "device": "job0", "speed": 0 }))?;
    Ok(())
}

fn copied(t: &Test, vm: &mut Vm) -> TestResult {
    vm.shutdown()?;
    t.verify_pattern(&t.file("target"), 0x31, "0", "4M")
}

fn paused(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    crawl(&mut vm, "blockdev-backup")?;
    let entry = vm.pause_job("job0")?;
    t.assert_qmp(&entry, "status", "paused")?;
    hurry(&mut vm)?;
    let again = vm.pause_wait("job0")?;
    t.assert_eq(&again["offset"], &entry["offset"])?;
    vm.cmd("block-job-resume", json!({ "device": "job0" }))?;
    vm.wait_until_completed("job0")?;
    copied(t, &mut vm)
}

fn paused_and_cancelled(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    crawl(&mut vm, "blockdev-backup")?;
    vm.pause_job("job0")?;
    let refused = vm.qmp("block-job-cancel", json!({ "device": "job0" }))?;
    t.assert_qmp(&refused, "error/class", "GenericError")?;
    let end = vm.cancel_and_wait_with("job0", CancelJob::new().force())?;
    t.assert_qmp(&end, "event", "BLOCK_JOB_CANCELLED")?;
    Ok(vm.shutdown()?)
}

fn speed(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    crawl(&mut vm, "blockdev-mirror")?;
    t.assert_qmp(&vm.query("query-block-jobs")?, "return[0]/speed", 1)?;
    vm.cmd("block-job-set-speed", json!({ "device": "job0", "speed": 2 }))?;
    t.assert_qmp(&vm.query("query-block-jobs")?, "return[0]/speed", 2)?;
    hurry(&mut vm)?;
    vm.complete_and_wait("job0")?;
    copied(t, &mut vm)
}

fn cancelled(t: &mut Test) -> TestResult {
    for command in ["blockdev-backup", "blockdev-mirror"] {
        let mut vm = vm(t)?;
        crawl(&mut vm, command)?;
        let end = vm.cancel_and_wait("job0")?;
        t.assert_qmp(&end, "event", "BLOCK_JOB_CANCELLED")?;
        t.assert(end["data"]["offset"].as_u64() < end["data"]["len"].as_u64(), "it was not done")?;
        vm.shutdown()?;
    }
    Ok(())
}

fn statuses(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": "target", "sync": "full",
        "auto-finalize": false, "auto-dismiss": false,
    });
    vm.cmd("blockdev-mirror", arguments)?;
    let mut job = vm.job("job0");
    job.wait_status(JobStatus::Running)?;
    job.wait_status(JobStatus::Ready)?;
    t.assert_eq(job.status()?, JobStatus::Ready)?;
    job.complete()?;
    job.wait_status(JobStatus::Waiting)?;
    job.wait_status(JobStatus::Pending)?;
    t.assert_eq(job.status()?, JobStatus::Pending)?;
    job.finalize()?;
    job.wait_status(JobStatus::Concluded)?;
    t.assert_qmp(&job.query()?.unwrap_or_default(), "type", "mirror")?;
    job.dismiss()?;
    job.wait_status(JobStatus::Null)?;
    t.assert_eq(job.query()?, None)?;
    t.assert(job.status().is_err(), "a job that is gone has no status")?;
    copied(t, &mut vm)
}

fn paused_when_ready(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let arguments = json!({ "job-id": "job0", "device": "drive0", "target": "target", "sync": "full" });
    vm.cmd("blockdev-mirror", arguments)?;
    let mut job = vm.job("job0");
    job.wait_status(JobStatus::Ready)?;
    job.pause()?;
    job.wait_paused()?;
    job.wait_status(JobStatus::Standby)?;
    // It completes only once it goes on.
    job.complete()?;
    t.assert_eq(job.status()?, JobStatus::Standby)?;
    job.resume()?;
    vm.wait_until_completed("job0")?;
    copied(t, &mut vm)
}

fn not_paused_any_more(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": "target", "sync": "full", "auto-dismiss": false,
    });
    vm.cmd("blockdev-backup", arguments)?;
    let mut job = vm.job("job0");
    job.wait_status(JobStatus::Concluded)?;
    match job.wait_paused() {
        Err(Error::Assertion(told)) => {
            t.assert_eq(told.as_str(), "job job0 is concluded and will not pause")?;
        }
        other => t.assert(false, format!("it does not pause: {other:?}"))?,
    }
    job.dismiss()?;
    t.assert(job.wait_paused().is_err(), "a job that is gone does not pause")?;
    copied(t, &mut vm)
}

fn two(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let other = json!({ "driver": "null-co", "node-name": "nothing", "size": 1 << 20, "read-zeroes": true });
    vm.cmd("blockdev-add", other)?;
    let bin = json!({ "driver": "null-co", "node-name": "bin", "size": 1 << 20 });
    vm.cmd("blockdev-add", bin)?;
    crawl(&mut vm, "blockdev-backup")?;
    let arguments = json!({ "job-id": "job1", "device": "nothing", "target": "bin", "sync": "full" });
    vm.cmd("blockdev-backup", arguments)?;
    vm.event_wait(EventMatch::new("BLOCK_JOB_COMPLETED").data(json!({ "device": "job1" })))?;
    t.assert_qmp(&vm.query("query-block-jobs")?, "return[0]/device", "job0")?;
    hurry(&mut vm)?;
    vm.wait_until_completed("job0")?;
    copied(t, &mut vm)
}

fn nobody(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    for command in ["job-pause", "job-resume", "job-cancel", "job-complete", "job-finalize", "job-dismiss"] {
        vm.qmp_log(command, json!({ "id": "nobody" }))?;
    }
    for command in ["block-job-pause", "block-job-cancel"] {
        vm.qmp_log(command, json!({ "device": "nobody" }))?;
    }
    Ok(vm.shutdown()?)
}

fn wrong_time(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    crawl(&mut vm, "blockdev-mirror")?;
    for command in ["job-resume", "job-complete", "job-finalize", "job-dismiss"] {
        vm.qmp_log(command, json!({ "id": "job0" }))?;
    }
    vm.pause_job("job0")?;
    vm.qmp_log("job-pause", json!({ "id": "job0" }))?;
    vm.cancel_and_wait_with("job0", CancelJob::new().force())?;
    Ok(vm.shutdown()?)
}
