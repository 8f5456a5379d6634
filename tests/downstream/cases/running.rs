//! A trial that is in the middle of things: a VM and an NBD server run, and there is a socket.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.test("busy", busy);
    s.test("panics_while_busy", panics_while_busy);
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
