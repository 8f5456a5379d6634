//! Tests on fixtures, which end as the tests and the tearing down do.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    for (name, tidy) in [("tidy", true), ("untidy", false)] {
        let mut fixture = s.fixture(name, |t| Ok(t.file("made"))).tear_down(move |t, _| {
            t.log("torn down");
            t.assert(tidy, "all is tidy")
        });
        fixture.test("passes", |t, made| t.assert(made.ends_with("made"), "the fixture is there"));
        fixture.test("fails", |t, _| t.assert(false, "this holds")).params(["now", "again"]);
        fixture.test("panics", |_, _| panic!("out of the test"));
        fixture.test("skips", |t, _| Ok(t.skip("not today")?));
    }
    let mut needy = s.fixture("needy", |t| Ok(t.skip("nothing to test on")?));
    needy.test("never", |_, ()| Ok(())).known_failure("it cannot be built");
    needy.requires(Requirement::NotRoot).platforms(["win32"]);
    s.fixture("", |t| Ok(t.skip("nothing to test on")?)).test("nameless", |_, ()| Ok(()));
}
