//! VMs of the real QEMU: what no case can look at, since it concerns the process itself.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "support/stage.rs"]
mod stage;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use iotests::env::Accel;
use iotests::error::Error;
use iotests::prelude::*;
use nix::sys::resource::{UsageWho, getrusage};
use stage::{AMPLE, Stage};
use support::is_gone;

fn stage(vars: &[(&str, &Path)]) -> Stage {
    Stage::in_dir(tempfile::tempdir().unwrap(), "raw", vars, AMPLE)
}

/// Processor time of a process so far, in clock ticks (hundredths of a second).
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let field = |index: usize| fields.split(' ').nth(index).unwrap().parse::<u64>().unwrap();
    // utime and stime, the 14th and 15th of all fields.
    field(11) + field(12)
}

/// Processor time of this thread so far.
fn own_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let time = usage.user_time().tv_sec() * 1_000_000
        + usage.user_time().tv_usec()
        + usage.system_time().tv_sec() * 1_000_000
        + usage.system_time().tv_usec();
    Duration::from_micros(time as u64)
}

#[test]
fn a_vm_does_not_fork_away() {
    let named = stage(&[("QEMU_OPTIONS", Path::new("-nodefaults -daemonize"))]);
    let plain = stage(&[]);
    let vms = [named.test.vm(), plain.test.vm().arg("-daemonize"), plain.test.vm().arg("--daemonize")];
    for vm in vms {
        let error = vm.launch().unwrap_err().to_string();
        assert_eq!(error, "leave -daemonize out: the harness ends QEMU itself");
    }
}

#[test]
fn a_vm_that_waits_uses_no_processor_and_neither_does_who_waits_for_it() {
    let stage = stage(&[]);
    let mut vm = stage.test.vm().launch().unwrap();
    vm.cmd("query-status", ()).unwrap();
    // A guest that runs, or a firmware that looks for a disk, takes a hundred ticks in a second.
    let mut used_in_a_second = || {
        let (before, own_before) = (ticks(vm.pid().unwrap()), own_time());
        assert_eq!(vm.next_event(|_| true, Wait::For(Duration::from_secs(1))).unwrap(), None);
        let (used, own) = (ticks(vm.pid().unwrap()) - before, own_time() - own_before);
        assert!(own < Duration::from_millis(50), "the wait took {own:?} of processor time");
        used
    };
    // At first it may still be starting, on a slow machine.
    let used: Vec<_> = (0..5).map(|_| used_in_a_second()).take_while(|used| *used > 5).collect();
    assert!(used.len() < 5, "the VM used {used:?} ticks in as many seconds");
    assert_eq!(vm.cmd("query-status", ()).unwrap()["status"], "running");
}

#[test]
fn a_bad_option_fails_with_qemus_own_words() {
    let stage = stage(&[]);
    let error = stage.test.vm().device("nonesuch").launch().unwrap_err();
    let shown = stage.text(&error);
    assert!(shown.starts_with("QEMU failed to start: exit status 1\ncommand: "), "{shown}");
    assert!(shown.contains(" -device nonesuch\nits "), "{shown}");
    assert!(shown.ends_with("'nonesuch' is not a valid device model name"), "{shown}");
    let missing = stage.test.vm().blockdev("driver=file,node-name=x,filename=/nonexistent/x");
    let shown = stage.text(&missing.launch().unwrap_err());
    assert!(shown.ends_with("Could not open '/nonexistent/x': No such file or directory"), "{shown}");
    assert!(stage.test.context().registry().is_empty());
}

#[test]
fn a_vm_is_launched_again_without_what_was_unread() {
    let stage = stage(&[]);
    let mut vm = stage.test.vm().build();
    assert_eq!((vm.get_log(), vm.pid(), vm.exit_status(), vm.command()), (None, None, None, None));
    vm.launch().unwrap();
    let first = vm.pid().unwrap();
    let error = vm.launch().unwrap_err().to_string();
    assert_eq!(error, "qemu is running already");
    for command in ["stop", "cont", "stop"] {
        vm.cmd(command, ()).unwrap();
    }
    // It passes over the first event, and does not look at the third.
    vm.event_wait("RESUME").unwrap();
    vm.shutdown().unwrap();
    let unread = vm.take_unread_events();
    let names: Vec<_> = unread.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["STOP", "SHUTDOWN"]);
    assert_eq!(unread[1]["data"]["reason"], "host-qmp-quit");
    assert!(is_gone(first));
    assert_eq!(vm.exit_status(), Some(Status::Exited(0)));
    assert!(vm.command().is_some());
    let error = vm.qmp("query-status", ()).unwrap_err().to_string();
    assert_eq!(error, "query-status needs a VM that runs, qemu does not");

    vm.configure(|builder| builder.object("iothread,id=late"));
    vm.launch().unwrap();
    assert_ne!(vm.pid(), Some(first));
    assert_eq!(vm.exit_status(), None);
    assert_eq!(vm.take_unread_events(), Vec::<Value>::new());
    let events = vm.get_qmp_events(Wait::No).unwrap();
    assert_eq!(events.iter().map(|event| &event["event"]).collect::<Vec<_>>(), ["STOP"]);
    assert_eq!(vm.cmd("query-iothreads", ()).unwrap()[0]["id"], "late");
    vm.shutdown().unwrap();
}

#[test]
fn output_goes_to_the_log_or_to_the_terminal() {
    let says = |vars: &[(&str, &Path)]| {
        let stage = stage(vars);
        let file = stage.test.file("disk");
        stage.test.qemu_img_create(["-f", "raw", &file, "1M"]).unwrap();
        let mut vm = stage.test.vm().drive(&file).launch().unwrap();
        let printed = vm.drive_io("drive0", "write 0 512").unwrap();
        let failed = vm.drive_io("drive0", "write 1G 512");
        assert_eq!(failed.is_err(), vars.is_empty(), "{failed:?}");
        let running = vm.get_log().unwrap();
        vm.shutdown().unwrap();
        assert_eq!(vm.get_log().as_deref(), Some(running.as_str()));
        assert!(running.starts_with(&printed));
        printed
    };
    assert!(says(&[]).starts_with("wrote 512/512 bytes at offset 0"));
    assert_eq!(says(&[("PRINT_QEMU", Path::new("y"))]), "");
}

#[test]
fn an_accelerator_is_as_asked_for() {
    let tcg = stage(&[("IOTESTS_ACCEL", Path::new("tcg"))]);
    let vm = tcg.test.vm().launch().unwrap();
    assert!(vm.command().unwrap().contains("/halt-"), "{:?}", vm.command());
    assert!(vm.command().unwrap().contains(" -accel tcg "));
    drop(vm);
    assert_eq!(tcg.late(), [""; 0]);

    // What a VM asks for itself goes before what the environment says.
    let other = stage(&[]);
    let mut vm = other.test.vm().accel(Accel::Tcg).launch().unwrap();
    assert!(vm.command().unwrap().contains(" -accel tcg "), "{:?}", vm.command());
    let error = vm.qtest("clock_step").unwrap_err().to_string();
    assert_eq!(error, "skipped: needs the qtest accelerator, this VM runs with tcg");
    vm.shutdown().unwrap();
    let error = tcg.test.vm().accel(Accel::Qtest).launch();
    let has_qtest = tcg.test.context().env().caps().emulator().unwrap().has_accelerator(Accel::Qtest);
    match error {
        Ok(vm) => assert!(has_qtest && vm.command().unwrap().contains(" -accel qtest "), "{vm:?}"),
        Err(Error::Died { launching: true, command, .. }) => {
            assert!(!has_qtest && command.contains(" -accel qtest "), "{command}");
        }
        Err(other) => panic!("{other}"),
    }

    // Where there is none, that is reported; where there is, it works.
    for name in ["qtest", "kvm"] {
        let stage = stage(&[("IOTESTS_ACCEL", Path::new(name))]);
        match stage.test.vm().launch() {
            Ok(mut vm) => {
                assert!(vm.command().unwrap().contains(&format!(" -accel {name} ")), "{:?}", vm.command());
                vm.shutdown().unwrap();
            }
            Err(Error::Variable { name: variable, value, .. }) => {
                assert_eq!((variable.as_str(), value.as_str()), ("IOTESTS_ACCEL", name));
            }
            Err(other) => panic!("{other}"),
        }
    }
}
