//! A trial that is in the middle of things: a VM and an NBD server run, and there is a socket.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use iotests::prelude::*;
use iotests::process::Cmd;

pub fn suite(s: &mut Suite) {
    s.test("busy", busy);
    s.test("panics_while_busy", panics_while_busy);
    s.test("late_1", leaves_a_thread_behind).timeout(Duration::from_secs(5));
    s.test("late_2", what_was_left_behind_starts_nothing);
    for name in ["alone_1", "alone_2"] {
        s.test(name, alone).serial(["downstream-alone"]);
    }
}

/// Goes on until it is stopped, and says so once everything runs. The text `run` is in the command
/// lines of its children.
fn busy(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "raw", &image, "1M"])?;
    let socket = t.socket("nbd")?;
    let server = t.qemu_nbd_server(["-k", &socket, "-f", "raw", &image])?;
    let mut vm = t.vm().launch()?;
    eprintln!(
        "busy {} {} {socket} {}",
        server.pid(),
        vm.pid().unwrap_or_default(),
        t.context().scratch().dir().display()
    );
    if std::env::var_os("DOWNSTREAM_STOPS").is_some() {
        return Ok(());
    }
    vm.events_wait(&[EventMatch::new("NO_SUCH_EVENT")], Wait::Forever)?;
    Ok(())
}

fn panics_while_busy(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "raw", &image, "1M"])?;
    let socket = t.socket("nbd")?;
    let server = t.qemu_nbd_server(["-k", &socket, "-f", "raw", &image])?;
    let vm = t.vm().launch()?;
    eprintln!(
        "busy {} {} {socket} {}",
        server.pid(),
        vm.pid().unwrap_or_default(),
        t.context().scratch().dir().display()
    );
    panic!("in the middle of things")
}

/// The thread that a trial left behind, and what has it go on; whether what it starts is killed.
static LEFT_BEHIND: Mutex<Option<(Sender<()>, JoinHandle<bool>)>> = Mutex::new(None);

fn leaves_a_thread_behind(t: &mut Test) -> TestResult {
    let (go_on, reported) = channel();
    let own = t.clone();
    let thread = std::thread::spawn(move || {
        reported.recv().is_ok() && matches!(own.run(Cmd::new("sleep").arg("1000")), Err(Error::Crash { .. }))
    });
    *LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner) = Some((go_on, thread));
    Ok(())
}

fn what_was_left_behind_starts_nothing(t: &mut Test) -> TestResult {
    let Some((go_on, thread)) = LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return Ok(t.skip("running/late_1 has not run before")?);
    };
    go_on.send(())?;
    t.assert(thread.join().unwrap_or(false), "it is killed")
}

/// Fails if another trial is here at the same time.
fn alone(t: &mut Test) -> TestResult {
    let Some(dir) = std::env::var_os("DOWNSTREAM_ALONE") else {
        return Ok(t.skip("DOWNSTREAM_ALONE is not set")?);
    };
    let flag = std::path::Path::new(&dir).join("occupied");
    std::fs::create_dir(&flag)?;
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", &image, "1M"])?;
    std::fs::remove_dir(&flag)?;
    Ok(())
}
