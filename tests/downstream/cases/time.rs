//! Cases that do not end by themselves.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["slow"]).timeout(Duration::from_secs(1));
    // Enough for a QEMU to start even on a slow machine.
    s.test("waits", waits).timeout(Duration::from_secs(5));
    s.test("sulks", sulks);
    s.test("loops", loops);
}

/// Waits for something that never comes: the wait itself gives up.
fn waits(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.events_wait(&[EventMatch::new("NO_SUCH_EVENT")], Wait::Forever)?;
    Ok(())
}

/// Waits where the library cannot see it, until its child is gone.
fn sulks(t: &mut Test) -> TestResult {
    use std::io::Read;
    let (mut read, write) = std::io::pipe()?;
    let command = iotests::process::Cmd::new("sleep").arg("1000");
    let stream = |fd: std::io::PipeWriter| iotests::process::Stream::To(fd.into());
    let _child = command.spawn(
        iotests::process::Stream::Null,
        stream(write),
        iotests::process::Stream::Null,
        t.context().registry(),
    )?;
    read.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Never ends, whatever is done to its children.
fn loops(t: &mut Test) -> TestResult {
    t.log("around and around");
    loop {
        std::thread::park();
    }
}
