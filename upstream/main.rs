//! QEMU's own suite as trials: `IOTESTS_SUITE=…/tests/qemu-iotests cargo test --test upstream`.

use std::process::ExitCode;

fn main() -> ExitCode {
    iotests::upstream::main(iotests::harness::Project::without_cases(
        env!("CARGO_MANIFEST_DIR"),
        env!("CARGO_CRATE_NAME"),
        option_env!("CARGO_TARGET_TMPDIR"),
    ))
}
