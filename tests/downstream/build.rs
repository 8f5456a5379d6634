//! Registers the case files.

fn main() {
    iotests_build::cases("cases");
}
