//! What a case file declares: its tests, where they can run, and how long they may take.

mod check;
mod contents;
mod declaration;
mod fixture;
mod requirement;
mod verdict;

pub use crate::env::{IMAGE_FORMATS, PROTOCOLS};
pub(crate) use check::mistakes;
pub use contents::{Body, Suite, TestDecl};
pub use declaration::{Declaration, Declare, GENERIC_FORMATS, IgnoredStderr, KnownFailure, Place};
pub use fixture::Fixture;
pub use requirement::Requirement;
pub(crate) use verdict::missing;
pub use verdict::verdict;
