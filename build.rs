//! Registers this crate's own case files.

#[path = "src/register.rs"]
pub mod register;

fn main() {
    register::cases("cases");
}
