//! The virtual clock stands still until it is told to go on.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.requires(Requirement::Qtest).groups(["vm", "quick"]);
    s.test("steps_add_up", steps);
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
