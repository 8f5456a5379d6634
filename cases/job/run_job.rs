//! Jobs taken from their start to their dismissal, in every way there is to do it.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["cluster_size"]).groups(["jobs", "quick"]);
    s.test("dismissed_by_us", dismissed);
    s.test("dismissed_by_qemu", dismisses_itself);
    s.test("finalized_by_us", finalized);
    s.test("something_done_before_it_is_finalized", before_finalizing);
    s.test("given_up_when_all_is_done", given_up);
    s.test("completed_when_ready", completed);
    s.test("failed_and_asked_why", failed);
    s.test("failed_and_gone", failed_and_gone);
    s.test("failed_after_part_of_the_work", failed_midway);
    s.test("filters_of_our_own", filters);
    s.test("one_failure_ends_the_whole_group", group);
    s.test("wait_is_not_for_ever", not_for_ever);
    s.test("second_job_of_a_name", second_of_a_name);
}

/// A VM with a disk of 1 MiB and an empty node `target` of the same size.
fn vm(t: &Test) -> TestResult<Vm> {
    vm_with_disk(t, "1M")
}

fn vm_with_disk(t: &Test, size: &str) -> TestResult<Vm> {
    let [source, target] = t.files(["source", "target"]);
    for image in [&source, &target] {
        t.qemu_img_create(["-f", "qcow2", image, size])?;
    }
    t.write_pattern(&source, 0x21, "0", size)?;
    let node = json!({
        "driver": "qcow2", "node-name": "target", "file": { "driver": "file", "filename": target },
    });
    Ok(t.vm().drive(&source).blockdev(node).launch()?)
}

fn backup(vm: &mut Vm, more: Value) -> TestResult {
    let mut arguments = json!({ "job-id": "job0", "device": "drive0", "target": "target", "sync": "full" });
    for (key, value) in more.as_object().into_iter().flatten() {
        arguments[key] = value.clone();
    }
    vm.qmp_log("blockdev-backup", arguments)?;
    Ok(())
}

fn copied(t: &Test, vm: &mut Vm) -> TestResult {
    vm.shutdown()?;
    t.verify_pattern(&t.file("target"), 0x21, "0", "1M")
}

fn dismissed(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({ "auto-dismiss": false }))?;
    t.assert_eq(vm.run_job("job0", RunJob::new())?, None)?;
    vm.qmp_log("query-jobs", ())?;
    copied(t, &mut vm)
}

fn dismisses_itself(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({}))?;
    t.assert_eq(vm.run_job("job0", RunJob::new().auto_dismiss())?, None)?;
    copied(t, &mut vm)
}

fn finalized(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({ "auto-finalize": false, "auto-dismiss": false }))?;
    t.assert_eq(vm.run_job("job0", RunJob::new().manual_finalize())?, None)?;
    copied(t, &mut vm)
}

fn before_finalizing(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({ "auto-finalize": false }))?;
    let mut seen = Vec::new();
    let look = |vm: &mut Vm| {
        seen.push(vm.job("job0").status()?);
        // Too late for the copy, which holds what was there when the job began.
        vm.write_pattern("drive0", 0x22, "0", "64k")?;
        Ok(())
    };
    vm.run_job("job0", RunJob::new().manual_finalize().auto_dismiss().pre_finalize(look))?;
    t.assert_eq(seen, [JobStatus::Pending])?;
    copied(t, &mut vm)
}

fn given_up(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({ "auto-finalize": false, "auto-dismiss": false }))?;
    let error = vm.run_job("job0", RunJob::new().manual_finalize().cancel())?;
    t.log(format!("the error of a job that was given up: {error:?}"));
    Ok(vm.shutdown()?)
}

fn completed(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    let arguments = json!({
        "job-id": "job0", "device": "drive0", "target": "target", "sync": "full", "auto-dismiss": false,
    });
    vm.qmp_log("blockdev-mirror", arguments)?;
    t.assert_eq(vm.run_job("job0", RunJob::new())?, None)?;
    copied(t, &mut vm)
}

/// A creation that fails while it runs.
fn failing(vm: &mut Vm) -> TestResult {
    let options = json!({ "driver": "qcow2", "file": "nonesuch", "size": 1 << 20 });
    vm.qmp_log("blockdev-create", json!({ "job-id": "job0", "options": options }))?;
    Ok(())
}

fn failed(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    failing(&mut vm)?;
    let error = vm.run_job("job0", RunJob::new())?;
    t.assert_eq(error.as_deref(), Some("Cannot find device='nonesuch' nor node-name='nonesuch'"))?;
    Ok(vm.shutdown()?)
}

/// Makes reads from the source fail, beyond its first half.
fn broken_vm(t: &Test) -> TestResult<Vm> {
    let [source, target] = t.files(["source", "target"]);
    t.qemu_img_create(["-f", "raw", &source, "1M"])?;
    t.write_pattern_as(&source, "raw", 0x21, "0", "1M")?;
    t.qemu_img_create(["-f", "qcow2", &target, "1M"])?;
    let broken = json!({
        "driver": "blkdebug", "node-name": "source",
        "image": { "driver": "file", "filename": source },
        "inject-error": [{ "event": "none", "iotype": "read", "sector": 1024 }],
    });
    let node = json!({
        "driver": "qcow2", "node-name": "target", "file": { "driver": "file", "filename": target },
    });
    Ok(t.vm().blockdev(broken).blockdev(node).launch()?)
}

fn failed_and_gone(t: &mut Test) -> TestResult {
    let mut vm = broken_vm(t)?;
    backup(&mut vm, json!({ "device": "source" }))?;
    // Whether the job itself can still be asked is a matter of luck.
    let end = vm.event_wait("BLOCK_JOB_COMPLETED")?;
    t.assert_qmp(&end, "data/error", "Input/output error")?;
    vm.event_wait(EventMatch::job_status("job0", JobStatus::Null))?;
    vm.assert_no_active_block_jobs()?;
    Ok(vm.shutdown()?)
}

fn failed_midway(t: &mut Test) -> TestResult {
    let mut vm = broken_vm(t)?;
    backup(&mut vm, json!({ "device": "source", "auto-dismiss": false }))?;
    // How far it got depends on how many requests were in flight.
    let hide = |message: &mut Value| {
        if message["data"].get("offset").is_some() {
            message["data"]["offset"] = json!("BYTES");
        }
    };
    let error = vm.run_job("job0", RunJob::new().filters([Filter::custom_qmp(hide)]))?;
    t.assert_eq(error.as_deref(), Some("Input/output error"))?;
    Ok(vm.shutdown()?)
}

fn filters(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({ "auto-dismiss": false }))?;
    let shout = Filter::custom_text(|text| text.replace("job0", "THE JOB"));
    vm.run_job("job0", RunJob::new().filters([shout]))?;
    copied(t, &mut vm)
}

fn group(t: &mut Test) -> TestResult {
    let [good, target] = t.files(["good", "good-target"]);
    for image in [&good, &target] {
        t.qemu_img_create(["-f", "qcow2", image, "1M"])?;
    }
    let mut vm = broken_vm(t)?;
    for (name, file) in [("good", &good), ("good-target", &target)] {
        let file = json!({ "driver": "file", "filename": file });
        vm.cmd("blockdev-add", json!({ "driver": "qcow2", "node-name": name, "file": file }))?;
    }
    let action = |job: &str, device: &str, target: &str| {
        let data = json!({
            "job-id": job, "device": device, "target": target, "sync": "full", "auto-dismiss": false,
        });
        json!({ "type": "blockdev-backup", "data": data })
    };
    vm.cmd(
        "transaction",
        json!({
            "actions": [action("job0", "good", "good-target"), action("job1", "source", "target")],
            "properties": { "completion-mode": "grouped" },
        }),
    )?;
    for (job, error) in [("job1", "Input/output error"), ("job0", "Operation canceled")] {
        vm.job(job).wait_status(JobStatus::Concluded)?;
        let entry = vm.job(job).query()?.unwrap_or_default();
        t.assert_qmp(&entry, "error", error)?;
        vm.job(job).dismiss()?;
    }
    let cancelled = vm.event_wait("BLOCK_JOB_CANCELLED")?;
    t.assert_qmp(&cancelled, "data/device", "job0")?;
    Ok(vm.shutdown()?)
}

fn not_for_ever(t: &mut Test) -> TestResult {
    // More than the job copies before it looks at its speed.
    let mut vm = vm_with_disk(t, "8M")?;
    backup(&mut vm, json!({ "speed": 1 }))?;
    let ended = vm.run_job("job0", RunJob::new().auto_dismiss().wait(Duration::from_millis(20)));
    match ended.map_err(|failure| failure.error) {
        Err(Error::Timeout { what, .. }) => t.assert(what.contains("JOB_STATUS_CHANGE"), what)?,
        other => t.assert(false, format!("the wait for a job that crawls timed out: {other:?}"))?,
    }
    let ended = vm.wait_until_completed_with("job0", Completion::new().wait(Duration::from_millis(20)));
    match ended.map_err(|failure| failure.error) {
        Err(Error::Timeout { what, .. }) => t.assert_eq(what.as_str(), "the end of block job job0")?,
        other => t.assert(false, format!("so does another one: {other:?}"))?,
    }
    vm.cancel_and_wait_with("job0", CancelJob::new().force().wait(Duration::from_secs(30)))?;
    Ok(vm.shutdown()?)
}

/// The end of the first one, from its last statuses on, is not taken for that of the second.
fn second_of_a_name(t: &mut Test) -> TestResult {
    let mut vm = vm(t)?;
    backup(&mut vm, json!({}))?;
    vm.wait_until_completed("job0")?;
    t.assert_eq(vm.get_qmp_events(Wait::No)?, Vec::<Value>::new())?;
    backup(&mut vm, json!({ "auto-finalize": false, "auto-dismiss": false }))?;
    t.assert_eq(vm.run_job("job0", RunJob::new().manual_finalize())?, None)?;
    copied(t, &mut vm)
}
