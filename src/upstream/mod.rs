//! QEMU's own suite, as it is: the bash and Python tests of a `tests/qemu-iotests` become trials that
//! are listed, chosen, run side by side and reported like those of a project's own cases, on
//! installed binaries and without a build tree (`check`, `testenv.py`, `testrunner.py`,
//! `findtests.py`).

mod compare;
mod discovery;
mod emulator;
mod environment;
mod listing;
mod main;
mod plan;
mod point;
mod python;
mod reference;
mod runner;
mod source;
mod supervisor;
mod tree;

pub use main::main;
