//! A VM is launched, ends, and is launched again; several live side by side.
use iotests::prelude::*;
use nix::sys::signal::Signal;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2"]).groups(["vm", "quick"]);
    s.test("launched_again_after_its_end", again);
    s.test("drives_are_numbered_on", numbered);
    s.test("several_at_once", several);
    s.test("image_in_use_is_not_opened_twice", locked).formats(["qcow2"]);
    s.test("quits_when_told_over_the_monitor", quit).formats(["raw"]);
    s.test("ends_at_a_signal_that_asks_for_it", terminated).formats(["raw"]);
    s.test("killed_without_being_asked", killed).formats(["raw"]);
    s.test("bad_option_is_told_with_its_message", bad_option).formats(["raw"]);
    s.test("may_fail_when_the_case_says_so", may_fail).formats(["raw"]);
    s.test("waits_for_the_word_to_start", paused).formats(["raw"]);
    s.test("what_it_prints_is_kept", printed).formats(["raw"]);
}

fn image(t: &Test, name: &str) -> TestResult<String> {
    let image = t.file(name);
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    Ok(image.to_string())
}

fn again(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut vm = t.vm().drive(&image).launch()?;
    let first = vm.pid();
    for byte in 1..4 {
        t.assert(vm.is_running(), "it runs")?;
        vm.drive_io("drive0", &format!("write -P {byte} 0 64k"))?;
        vm.shutdown()?;
        t.assert(!vm.is_running() && vm.pid().is_none(), "it does not run")?;
        t.assert_eq(vm.exit_status(), Some(Status::Exited(0)))?;
        t.verify_pattern(&image, byte, "0", "64k")?;
        vm.launch()?;
        t.assert(vm.pid() != first, "it is another process")?;
    }
    let twice = vm.launch();
    t.assert(twice.is_err(), "what runs is not launched once more")?;
    Ok(vm.shutdown()?)
}

fn numbered(t: &mut Test) -> TestResult {
    let images = [image(t, "first")?, image(t, "second")?, image(t, "third")?];
    let mut vm = t.vm().drive(&images[0]).drive(&images[1]).launch()?;
    vm.shutdown()?;
    vm.configure(|builder| builder.drive(&images[2]));
    vm.launch()?;
    let block = vm.query("query-block")?;
    for (index, image) in images.iter().enumerate() {
        t.assert_qmp(&block, &format!("return[{index}]/device"), format!("drive{index}"))?;
        t.assert_qmp(&block, &format!("return[{index}]/inserted/file"), image.as_str())?;
    }
    Ok(vm.shutdown()?)
}

fn several(t: &mut Test) -> TestResult {
    let mut vms = Vec::new();
    for name in ["-a", "-b", "-c"] {
        let image = image(t, name)?;
        vms.push((t.vm_named(name).drive(&image).launch()?, image));
    }
    for (index, (vm, _)) in vms.iter_mut().enumerate() {
        vm.drive_io("drive0", &format!("write -P {} 0 64k", index + 1))?;
    }
    for (index, (mut vm, image)) in vms.into_iter().enumerate().rev() {
        vm.shutdown()?;
        t.verify_pattern(&image, index as u8 + 1, "0", "64k")?;
    }
    Ok(())
}

fn locked(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut first = t.vm_named("-first").drive(&image).launch()?;
    match t.vm_named("-second").drive(&image).launch() {
        Err(Error::Died { launching: true, status, log, .. }) => {
            t.assert_eq(status, Status::Exited(1))?;
            t.assert(log.contains("Failed to get \"write\" lock"), log)?;
        }
        other => t.assert(false, format!("the second VM ends while it starts: {other:?}"))?,
    }
    first.shutdown()?;
    Ok(t.vm_named("-third").drive(&image).launch()?.shutdown()?)
}

fn quit(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.cmd("quit", ())?;
    t.assert_eq(vm.wait_exit()?, Status::Exited(0))
}

fn terminated(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.signal(Signal::SIGTERM)?;
    let event = vm.event_wait("SHUTDOWN")?;
    t.assert_qmp(&event, "data/reason", "host-signal")?;
    t.assert_eq(vm.wait_exit()?, Status::Exited(0))
}

fn killed(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.kill()?;
    t.assert_eq(vm.exit_status(), Some(Status::Signalled(9)))?;
    t.assert(vm.qmp("query-status", ()).is_err(), "there is nobody left to answer")
}

fn bad_option(t: &mut Test) -> TestResult {
    let mut vm = t.vm().arg("-nonesuch").build();
    match vm.launch() {
        Err(Error::Died { launching: true, status, log, .. }) => {
            t.assert_eq(status, Status::Exited(1))?;
            t.assert(log.contains("-nonesuch: invalid option"), log)?;
        }
        Err(skip @ Error::Skip(_)) => return Err(skip.into()),
        other => t.assert(false, format!("QEMU ends at once: {other:?}"))?,
    }
    t.assert_eq(vm.exit_status(), Some(Status::Exited(1)))?;
    t.assert(vm.get_log().is_some_and(|log| log.contains("-nonesuch")), "its message can be asked for")
}

fn may_fail(t: &mut Test) -> TestResult {
    let mut vm = t.vm().may_fail().launch()?;
    vm.signal(Signal::SIGABRT)?;
    t.assert_eq(vm.wait_exit()?, Status::Signalled(Signal::SIGABRT as i32))
}

fn paused(t: &mut Test) -> TestResult {
    let mut vm = t.vm().paused().launch()?;
    t.assert_qmp(&vm.query("query-status")?, "return/status", "prelaunch")?;
    vm.cmd("cont", ())?;
    vm.event_wait("RESUME")?;
    t.assert_qmp(&vm.query("query-status")?, "return/status", "running")?;
    Ok(vm.shutdown()?)
}

fn printed(t: &mut Test) -> TestResult {
    let image = image(t, "image")?;
    let mut vm = t.vm().drive(&image).build();
    t.assert_eq(vm.get_log(), None)?;
    vm.launch()?;
    vm.drive_io("drive0", "read 64k 64k")?;
    vm.shutdown()?;
    t.log_with(vm.get_log().unwrap_or_default(), &[Filter::qtest(), Filter::qemu_io()]);
    vm.launch()?;
    vm.shutdown()?;
    t.assert(vm.get_log().is_some_and(|log| !log.contains("read")), "each launch has a log of its own")
}
