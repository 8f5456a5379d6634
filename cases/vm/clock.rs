//! The virtual clock stands still until it is told to go on.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.requires(Requirement::Qtest).groups(["vm", "quick"]);
    s.test("steps_add_up", steps);
    s.test("throttled_request_waits_for_the_clock", throttled);
}

/// What the clock shows after a step, in nanoseconds.
fn step(vm: &mut Vm, nanoseconds: u64) -> TestResult<u64> {
    let answer = vm.qtest(&format!("clock_step {nanoseconds}"))?;
    let time = answer.trim_end().strip_prefix("OK ").and_then(|time| time.parse().ok());
    time.ok_or_else(|| Error::assertion(format!("clock_step was answered: {answer}")).into())
}

fn steps(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let before = step(&mut vm, 1)?;
    t.assert_eq(step(&mut vm, 1_000_000)?, before + 1_000_000)?;
    t.assert_eq(step(&mut vm, 5)?, before + 1_000_005)?;
    Ok(vm.shutdown()?)
}

fn throttled(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", "raw", &image, "1M"])?;
    let drive = Drive::new(&image).options("throttling.bps-total=65536");
    let mut vm = t.vm().drive_with(drive).launch()?;
    // The first two use up what may be used at once.
    for offset in ["0", "64k", "128k"] {
        vm.drive_io("drive0", &format!("aio_write -P 1 {offset} 64k"))?;
    }
    vm.clock_step(Some(10_000_000_000))?;
    vm.drive_io("drive0", "aio_flush")?;
    vm.shutdown()?;
    t.assert_eq(vm.get_log().unwrap_or_default().matches("wrote 65536/65536").count(), 3)
}
