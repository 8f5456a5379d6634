//! The header of a script: where it runs, the names it declares, and what lines may be guarded by.

pub(super) mod condition;
pub(super) mod filter;
pub(super) mod keys;
pub(super) mod param;
