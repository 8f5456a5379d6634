//! Registers this crate's own case files.

fn main() {
    iotests_build::cases("cases");
}
