//! Declarations that are wrong when the tests ask for it.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.test("sound", |_| Ok(()));
    match std::env::var("DOWNSTREAM_MISTAKE").as_deref() {
        Ok("declarations") => {
            s.formats(["qcwo2"]).groups(["two words"]);
            s.test("sound", |_| Ok(()));
        }
        Ok("registration") => panic!("this suite was registered, though nobody asked for it"),
        _ => {}
    }
}
