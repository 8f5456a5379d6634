//! QEMU's own suite as trials: `IOTESTS_SUITE=…/tests/qemu-iotests cargo test --test upstream`.

use std::process::ExitCode;

fn main() -> ExitCode {
    iotests::upstream::main(iotests::harness::Project::without_cases(iotests::harness::Build {
        root: env!("CARGO_MANIFEST_DIR"),
        package: env!("CARGO_PKG_NAME"),
        crate_name: env!("CARGO_CRATE_NAME"),
        tmp: option_env!("CARGO_TARGET_TMPDIR"),
    }))
}
