//! Each test runs under a process of ours that nothing it starts can get away from.
//!
//! The supervisor is this very program, started again. It makes itself the reaper of every
//! descendant, so a daemon that forked twice into a session of its own is still found, named and
//! killed; it ends the test at its deadline; and it watches a pipe from the harness, so that all of
//! them die even when the harness is killed with SIGKILL.

mod descendants;
mod guard;
mod handle;
mod report;
mod start;

pub(super) use handle::{Job, PATIENCE, run};
pub(super) use report::{End, Report};
pub(super) use start::take_over;
