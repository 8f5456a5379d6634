//! What a case file declares: its tests, where they can run, and how long they may take.

mod check;
mod contents;
mod declaration;
mod fixture;
mod requirement;
mod verdict;

pub(crate) use check::mistakes;
pub use contents::{Body, Suite, TestDecl};
pub use declaration::{Declaration, Declare, GENERIC_FORMATS, IMAGE_FORMATS, KnownFailure, PROTOCOLS, Place};
pub use fixture::Fixture;
pub use requirement::Requirement;
pub use verdict::verdict;
