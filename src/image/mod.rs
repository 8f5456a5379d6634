//! Images: made without QEMU, unpacked from samples, written to and verified.

mod markers;
mod pattern;
mod remote;
mod sample;

pub use markers::{create_image, sector_marker};
