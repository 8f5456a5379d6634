//! A test harness for QEMU's block layer: what QEMU's own `iotests.py` and `check` do together, as one
//! crate. It drives the binaries that are installed: qemu-img, qemu-io, qemu-nbd,
//! qemu-storage-daemon, and a QEMU without a guest, over its monitor. Nothing waits without an end, and
//! no process or file outlives the test it belongs to.
//!
//! # In an ordinary test
//!
//! [`Test::with_format`](test::Test::with_format) gives any `#[test]` scratch files, tools and VMs:
//!
//! ```no_run
//! use iotests::prelude::*;
//!
//! # fn main() -> TestResult {
//! let t = Test::with_format("qcow2")?;
//! let disk = t.file("disk");
//! t.qemu_img_create(["-f", t.imgfmt(), &disk, "1M"])?;
//! let mut vm = t.vm().drive(&disk).launch()?;
//! vm.drive_io("drive0", "write -P 0xa5 0 64k")?;
//! vm.shutdown()?;
//! t.verify_pattern(&disk, 0xa5, "0", "64k")?;
//! t.check_clean(&disk)
//! # }
//! ```
//!
//! # As a suite
//!
//! A case is a file `cases/<topic>/<name>.rs`, found without being registered anywhere. Each of its
//! tests becomes a trial for every image format (and protocol, and parameter) that it supports:
//! `cargo test`, cargo-nextest and IDEs list, filter and run it as `resize/grow/keeps_data::qcow2`. What
//! it logged is compared with a stored reference.
//!
//! ```
//! use iotests::prelude::*;
//!
//! pub fn suite(s: &mut Suite) {
//!     s.formats(["raw", "qcow2"]).groups(["rw", "quick"]).test("keeps_data", |t| {
//!         let disk = t.file("disk");
//!         t.qemu_img_create(["-f", t.imgfmt(), &disk, "1M"])?;
//!         t.write_pattern(&disk, 0xa5, "0", "64k")?;
//!         t.qemu_img(["resize", "-f", t.imgfmt(), &disk, "2M"])?;
//!         t.log(format!("grown to {} bytes", t.image_size(&disk)?));
//!         t.verify_pattern(&disk, 0xa5, "0", "64k")
//!     });
//! }
//! ```
//!
//! A project has such a suite once its `build.rs` calls [`iotests_build::cases`] and its test target
//! [`main!`]. Cases may also be scripts, `cases/<topic>/<name>.case`, which need no compiler.
//!
//! # Where things are
//!
//! | module | holds |
//! | --- | --- |
//! | [`prelude`] | what a case file imports |
//! | [`test`](mod@test) | [`Test`](test::Test), the handle a case works with: files, log, skips, assertions |
//! | [`tools`], [`image`] | qemu-img, qemu-io, qemu-nbd and the storage daemon; samples and patterns |
//! | [`vm`], [`qmp`] | VMs: launch, jobs, migration, block graph; the monitor, its events and waits |
//! | [`suite`] | declarations: formats, requirements, parameters, fixtures, time limits |
//! | [`filter`], [`log`], [`value`] | what a log hides, how it is written down; QMP values |
//! | [`error`], [`output`], [`process`] | how a case ends early; how a program ended; children and deadlines |
//! | [`env`](mod@env), [`context`] | variables and binaries; what one trial owns |
//! | [`oracle`] | random I/O against a shadow model, for authors of image libraries |
//! | [`script`], [`harness`] | from case files to trials, references and reports |
//! | [`upstream`] | QEMU's own `tests/qemu-iotests`, unmodified, as trials |
//!
//! Names of `iotests.py` in this documentation, as in `` `iotests.py: VM.add_drive` ``, say which of
//! its functions an item stands for.
//!
//! # Where to read on
//!
//! `README.md` has the commands, the variables and the reports; `docs/script-language.md` the language
//! of scripts; `docs/oracle.md` how an image library is tested by random I/O; `docs/upstream.md` how
//! QEMU's own suite is run; `ARCHITECTURE.md`, in the repository, how the crate is built, and why.

#[cfg(not(target_os = "linux"))]
compile_error!("iotests needs Linux: pidfds, parent-death signals and inotify keep its children in hand");

pub mod context;
pub mod env;
pub mod error;
pub mod filter;
pub mod harness;
pub mod image;
pub mod log;
pub mod oracle;
pub mod output;
pub mod prelude;
pub mod process;
pub mod qmp;
pub mod script;
pub mod suite;
pub mod test;
pub mod tools;
pub mod upstream;
pub mod value;
pub mod vm;
