//! Registers the case files.

fn main() {
    iotests::register::cases("cases");
}
