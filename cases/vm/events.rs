//! Events of a VM: none is lost, none is taken twice, and each can be told from its like.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["vm", "quick"]);
    s.test("event_is_there_before_the_reply_that_follows_it", before_the_reply);
    s.test("passed_over_events_stay_for_later", passed_over);
    s.test("oldest_of_several_kinds_comes_first", several_kinds);
    s.test("one_at_a_time_whatever_it_is", one_at_a_time);
    s.test("contents_tell_events_apart", contents);
    s.test("predicate_picks_an_event", predicate);
    s.test("wait_that_ends_without_an_event", nothing);
    s.test("all_events_in_their_order", in_order);
    s.test("job_tells_every_status", job_statuses);
}

fn before_the_reply(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    t.assert_eq(vm.try_event(&["STOP".into()])?, None)?;
    vm.cmd("stop", ())?;
    t.assert(vm.try_event(&["STOP".into()])?.is_some(), "STOP has arrived with the reply")?;
    t.assert_eq(vm.try_event(&["STOP".into()])?, None)?;
    Ok(vm.shutdown()?)
}

fn passed_over(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.cmd("stop", ())?;
    vm.cmd("cont", ())?;
    let resumed = vm.event_wait("RESUME")?;
    let stopped = vm.event_wait("STOP")?;
    let time =
        |event: &Value| (event["timestamp"]["seconds"].as_u64(), event["timestamp"]["microseconds"].as_u64());
    t.assert(time(&stopped) <= time(&resumed), "the event that was taken last is the older one")?;
    Ok(vm.shutdown()?)
}

fn several_kinds(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.cmd("stop", ())?;
    vm.cmd("cont", ())?;
    for expected in ["STOP", "RESUME"] {
        let event = vm.events_wait(&["RESUME".into(), "STOP".into()], Wait::DEFAULT)?;
        t.assert_qmp(&event, "event", expected)?;
    }
    Ok(vm.shutdown()?)
}

fn one_at_a_time(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.cmd("stop", ())?;
    vm.cmd("cont", ())?;
    for expected in ["STOP", "RESUME"] {
        let event = vm.get_qmp_event(Wait::DEFAULT)?.unwrap_or_default();
        t.assert_qmp(&event, "event", expected)?;
    }
    t.assert_eq(vm.get_qmp_event(Wait::No)?, None)?;
    Ok(vm.shutdown()?)
}

/// Creates an image by a job of this name, which is left concluded.
fn start_job(t: &Test, vm: &mut Vm, job: &str) -> TestResult {
    let options = json!({ "driver": "file", "filename": t.file(job), "size": 1 << 20 });
    vm.cmd("blockdev-create", json!({ "job-id": job, "options": options }))?;
    Ok(())
}

fn contents(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    for job in ["job0", "job1", "job2"] {
        start_job(t, &mut vm, job)?;
    }
    for job in ["job2", "job0", "job1"] {
        let event = vm.event_wait(EventMatch::job_status(job, JobStatus::Concluded))?;
        t.assert_qmp(&event, "data/id", job)?;
        let any_status = EventMatch::new("JOB_STATUS_CHANGE").data(json!({ "id": job, "status": null }));
        let event = vm.event_wait(any_status)?;
        t.assert_qmp(&event, "data/status", "created")?;
        vm.cmd("job-dismiss", json!({ "id": job }))?;
    }
    Ok(vm.shutdown()?)
}

fn predicate(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    start_job(t, &mut vm, "job0")?;
    let late = EventMatch::new("JOB_STATUS_CHANGE")
        .satisfying(|event| event["data"]["status"].as_str().is_some_and(|status| status.len() > 8));
    let event = vm.event_wait(late)?;
    t.assert_qmp(&event, "data/status", "concluded")?;
    let not_first = vm.next_event(|event| event["data"]["status"] != "created", Wait::DEFAULT)?;
    t.assert_qmp(&not_first.unwrap_or_default(), "data/status", "running")?;
    vm.job("job0").dismiss()?;
    Ok(vm.shutdown()?)
}

fn nothing(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    t.assert_eq(vm.next_event(|event| event["event"] == "STOP", Wait::No)?, None)?;
    match vm.events_wait(&["STOP".into()], Wait::For(Duration::from_millis(1))) {
        Err(Error::Timeout { what, .. }) => t.assert(what.contains("STOP"), what)?,
        other => t.assert(false, format!("the wait for no event timed out: {other:?}"))?,
    }
    Ok(vm.shutdown()?)
}

fn in_order(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    for command in ["stop", "cont", "stop", "system_reset"] {
        vm.qmp_log(command, ())?;
    }
    vm.event_wait("RESET")?;
    for event in vm.get_qmp_events_filtered(Wait::No)? {
        t.log_with(event, &[]);
    }
    Ok(vm.shutdown()?)
}

fn job_statuses(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    start_job(t, &mut vm, "job0")?;
    for status in ["created", "running", "waiting", "pending", "concluded"] {
        let event = vm.event_wait("JOB_STATUS_CHANGE")?;
        t.assert_qmp(&event, "data/status", status)?;
    }
    vm.cmd("job-dismiss", json!({ "id": "job0" }))?;
    t.assert_qmp(&vm.event_wait("JOB_STATUS_CHANGE")?, "data/status", "null")?;
    Ok(vm.shutdown()?)
}
