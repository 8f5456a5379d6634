//! `Test`: the handle a case works with. Here are its files, its log and its assertions; the rooms above
//! add the tools and the VM.

mod assert;
mod handle;

pub(crate) use assert::{failed, located};
pub use handle::Test;
