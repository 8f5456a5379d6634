//! Images made without QEMU.

mod markers;

pub use markers::{create_image, sector_marker};
