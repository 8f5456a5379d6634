//! The virtual clock stands still until it is told to go on.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.requires(Requirement::Qtest).groups(["vm", "quick"]);
    s.test("steps_add_up", steps);
}

fn steps(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let before = vm.clock_step(Some(1))?;
    t.assert_eq(vm.clock_step(Some(1_000_000))?, before + 1_000_000)?;
    t.assert_eq(vm.clock_step(Some(5))?, before + 1_000_005)?;
    Ok(vm.shutdown()?)
}
