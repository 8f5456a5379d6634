//! Children that cannot outlive their trial and waits that cannot outlive their deadline.

mod capture;
mod child;
mod command;
mod deadline;
mod guard;
mod lock;
mod printed;
mod ready;
mod registry;
mod wire;

pub use crate::output::{Output, Status};
pub use capture::Capture;
pub(crate) use capture::MOST_OUTPUT;
pub use child::Child;
pub use command::{Cmd, Stream};
pub use deadline::Deadline;
pub(crate) use guard::remove_at_end;
pub(crate) use lock::lock;
pub(crate) use printed::Printed;
pub use ready::{PidFileWatch, Ready};
pub use registry::Registry;
pub(crate) use wire::{Line, Patience, Wire};

pub use nix::sys::signal::Signal;
