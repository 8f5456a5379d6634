//! The parser of script cases never panics, and what it prints it reads as the same script.
//!
//! `mkdir -p fuzz/corpus/script && cargo +nightly fuzz run script fuzz/corpus/script cases`
#![no_main]

use std::path::Path;

use iotests::script;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match script::parse(text) {
        Ok(parsed) => {
            let printed = parsed.to_string();
            let again = script::parse(&printed);
            assert_eq!(again.as_ref().ok(), Some(&parsed), "printed as:\n{printed}\n{again:?}");
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let _ = problem.into_error(Path::new("x.case"), text).to_string();
            }
        }
    }
});
