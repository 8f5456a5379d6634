//! Commands over the monitor: each gets its own reply, whatever its size and whatever else happens.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["vm", "quick"]);
    s.test("error_reply_is_typed", typed_error);
    s.test("bad_commands_and_arguments", bad);
    s.test("arguments_are_logged_in_order", logged);
    s.test("reply_of_many_kilobytes", large_reply);
    s.test("argument_of_a_megabyte", large_argument);
    s.test("text_in_every_script", text);
    s.test("events_do_not_come_between", events_between);
    s.test("no_reply_after_the_end", after_the_end);
}

fn typed_error(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let reply = vm.qmp("blockdev-del", json!({ "node-name": "nonesuch" }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    t.assert_qmp_absent(&reply, "return")?;
    match vm.cmd("blockdev-del", json!({ "node-name": "nonesuch" })) {
        Err(Error::Qmp(error)) => {
            t.assert_eq(error.command.as_str(), "blockdev-del")?;
            t.assert_eq(error.class.as_str(), "GenericError")?;
            t.assert_eq(error.desc.as_str(), "Failed to find node with node-name='nonesuch'")?;
        }
        other => t.assert(false, format!("an error reply is an error: {other:?}"))?,
    }
    Ok(vm.shutdown()?)
}

fn bad(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    for (command, arguments) in [
        ("nonesuch", json!({})),
        ("query-status", json!({ "verbose": true })),
        ("blockdev-del", json!({})),
        ("blockdev-del", json!({ "node-name": 5 })),
        ("job-pause", json!({ "id": null })),
    ] {
        vm.qmp_log(command, arguments)?;
    }
    let not_sent = vm.qmp("query-status", json!(["a", "list"]));
    t.assert(not_sent.is_err(), "arguments are an object")?;
    Ok(vm.shutdown()?)
}

fn logged(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let node = json!({ "size": 65536, "node-name": "disk", "driver": "null-co", "read-zeroes": true });
    vm.qmp_log("blockdev-add", node)?;
    vm.qmp_log_with("blockdev-del", json!({ "node-name": "disk" }), &[], Some(2))?;
    vm.qmp_log("stop", ())?;
    Ok(vm.shutdown()?)
}

fn large_reply(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let schema = vm.cmd("query-qmp-schema", ())?;
    let entries = schema.as_array().map_or(0, Vec::len);
    t.assert(entries > 500, format!("the schema has {entries} entries"))?;
    Ok(vm.shutdown()?)
}

fn large_argument(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let name = "x".repeat(1 << 20);
    let node = json!({ "driver": "null-co", "node-name": name, "read-zeroes": true });
    let reply = vm.qmp("blockdev-add", node)?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    t.assert_qmp(&vm.query("query-status")?, "return/running", true)?;
    Ok(vm.shutdown()?)
}

fn text(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    for name in ["Größe", "尺寸", "\u{1f4be}", "tab\tand \"quotes\" and \\"] {
        let reply = vm.qmp("blockdev-del", json!({ "node-name": name }))?;
        t.assert_qmp(&reply, "error/desc", format!("Failed to find node with node-name='{name}'"))?;
    }
    Ok(vm.shutdown()?)
}

fn events_between(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    for _ in 0..50 {
        for (command, running) in [("stop", false), ("cont", true)] {
            t.assert_eq(vm.cmd(command, ())?, json!({}))?;
            t.assert_qmp(&vm.query("query-status")?, "return/running", running)?;
        }
    }
    let events = vm.get_qmp_events(Wait::No)?;
    t.assert_eq(events.len(), 100)?;
    for (index, event) in events.iter().enumerate() {
        t.assert_qmp(event, "event", if index % 2 == 0 { "STOP" } else { "RESUME" })?;
    }
    Ok(vm.shutdown()?)
}

fn after_the_end(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.shutdown()?;
    t.assert(vm.qmp("query-status", ()).is_err(), "a VM that has ended does not answer")?;
    t.assert(vm.event_wait("STOP").is_err(), "nor does it send events")
}
