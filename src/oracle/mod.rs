//! A random-I/O oracle: draws sequences of block operations from seeds, runs them on image libraries and on QEMU,
//! and compares every result with a shadow model. What goes wrong is shrunk to a few operations.
//!
//! It exists because the faults of image libraries hide in combinations nobody writes a test for: a discard across
//! the end of an L2 table, after a snapshot, before a crash. An author implements [`Library`] and [`Disk`] for
//! his library, says by [`Abilities`] what it can do, and gets the rest:
//!
//! ```no_run
//! use iotests::oracle::{Image, Library, Oracle, QemuIo};
//! use iotests::prelude::*;
//!
//! # fn main() -> TestResult {
//! let t = Test::new()?;
//! let qcow2 = Image::new("qcow2").options("cluster_size=4k");
//! // In the place of QemuIo: your own library.
//! Oracle::new(&t, "qcow2").side(qcow2, QemuIo::new(&t)).seeds(4).run()?;
//! # Ok(())
//! # }
//! ```
//!
//! Each side has images of its own and a model of its own; one side is compared with the model, several with each other
//! as well. [`Turns`] has two libraries work on the same image instead. Between sessions `qemu-img` checks and maps the image, and
//! QEMU reads it.
//!
//! The model is exact to the byte, and knows where more than one value is right: what was discarded may still be
//! there, and after a crash what was not flushed may be old or new. Such a byte is settled by the first read.
//!
//! A sequence depends on its seed and on nothing else. `docs/oracle.md` shows the way from an empty project to the
//! first finding.

mod content;
mod disk;
mod finding;
mod generate;
mod image;
mod inspect;
mod kept;
mod model;
mod op;
mod qemu;
mod report;
mod rng;
mod script;
mod search;
mod shrink;
mod side;
mod spoken;
mod turns;
mod verify;

pub use disk::{Disk, Library, Outcome};
pub use finding::{Finding, Kind};
pub use image::Image;
pub use op::{Abilities, Op};
pub use qemu::{InVm, OverNbd, QemuIo};
pub use report::Report;
pub use search::Oracle;
pub use turns::Turns;
