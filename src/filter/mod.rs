//! Pure filters that take out of a log whatever differs from run to run: times, paths, process ids,
//! image formats.
//!
//! Text filters borrow their input when there is nothing to change, take time linear in it, and
//! never panic. They work on `str`: output of a tool that is not UTF-8 is converted, with U+FFFD
//! for what cannot be read, where the process hands it over, so that a reference stays a text file.
//! QMP filters change the leaves of a [`serde_json::Value`] in place, never its keys. [`Filter`]
//! wraps either kind for lists of filters.

mod compose;
mod image;
mod paths;
mod qmp;
mod text;

pub use compose::{Filter, apply_all};
pub use image::{drop_child_info, drop_host_sizes, filter_img_info, filter_imgfmt};
pub use paths::{Paths, filter_test_dir, filter_testfiles};
pub use qmp::{
    Key, filter_qmp, filter_qmp_event, filter_qmp_generated_node_ids, filter_qmp_imgfmt, filter_qmp_strings,
    filter_qmp_testfiles, filter_qmp_virtio_scsi,
};
pub use text::{
    filter_chown, filter_generated_node_ids, filter_nbd_exports, filter_qemu_io, filter_qtest,
    filter_unittest, filter_virtio_scsi, filter_win32,
};
