//! One type for all filters, so that they can be listed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::image::{drop_host_sizes, filter_img_info, filter_imgfmt};
use super::paths::{Paths, TestDir};
use super::qmp::{filter_qmp_event, filter_qmp_strings};
use super::text;
use crate::log::Msg;

type TextFilter = dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync;

/// A filter for text and for QMP messages alike: what logging takes a list of.
///
/// A text filter changes every string of a QMP message, so that the pairs of `iotests.py`
/// (`filter_testfiles` and `filter_qmp_testfiles`) are one filter here. A QMP filter leaves text
/// alone.
///
/// ```
/// use iotests::filter::{Filter, Paths};
/// let paths = Paths { test_dir: "/t".into(), sock_dir: "/s".into(), pid: 7 };
/// assert_eq!(Filter::testfiles(&paths).apply_text("/t/7-base"), "TEST_DIR/PID-base");
/// ```
#[derive(Clone)]
pub struct Filter(Kind);

#[derive(Clone)]
enum Kind {
    Text(Arc<TextFilter>),
    Event,
    Qmp(Arc<dyn Fn(&mut Value) + Send + Sync>),
}

impl Filter {
    fn text(filter: impl for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static) -> Self {
        Self(Kind::Text(Arc::new(filter)))
    }

    /// Hides the paths of scratch files: see [`filter_testfiles`](super::filter_testfiles).
    pub fn testfiles(paths: &Paths) -> Self {
        let prefixes = paths.prefixes();
        Self::text(move |text| prefixes.hide(text))
    }

    /// Hides the test directory: see [`filter_test_dir`](super::filter_test_dir).
    pub fn test_dir(test_dir: &str) -> Self {
        let dir = TestDir::new(test_dir);
        Self::text(move |text| dir.hide(text))
    }

    /// Hides the image format: see [`filter_imgfmt`].
    pub fn imgfmt(imgfmt: impl Into<String>) -> Self {
        let imgfmt = imgfmt.into();
        Self::text(move |text| filter_imgfmt(text, &imgfmt))
    }

    /// Filters the output of `qemu-img info`: see [`filter_img_info`].
    pub fn img_info(filename: &str, imgfmt: &str, paths: &Paths) -> Self {
        let (filename, imgfmt, paths) = (filename.to_owned(), imgfmt.to_owned(), paths.clone());
        Self::text(move |text| Cow::Owned(filter_img_info(text, &filename, &imgfmt, &paths)))
    }

    /// Drops sizes on the host's disk from the output of `qemu-img info`, plain or JSON: see [`drop_host_sizes`](super::drop_host_sizes).
    pub fn host_sizes() -> Self {
        Self::text(drop_host_sizes)
    }

    /// Drops child nodes from the output of `qemu-img info`: see
    /// [`drop_child_info`](super::drop_child_info).
    pub fn drop_child_info() -> Self {
        Self::text(super::image::drop_child_info)
    }

    /// Hides qemu-io's times: see [`filter_qemu_io`](super::filter_qemu_io).
    pub fn qemu_io() -> Self {
        Self::text(text::filter_qemu_io)
    }

    /// Hides the times and rates of qemu-io, and leaves carriage returns.
    pub(crate) fn qemu_io_times() -> Self {
        Self::text(text::hide_timings)
    }

    /// Removes carriage returns: see [`filter_win32`](super::filter_win32).
    pub fn win32() -> Self {
        Self::text(text::filter_win32)
    }

    /// Hides user and group ids: see [`filter_chown`](super::filter_chown).
    pub fn chown() -> Self {
        Self::text(text::filter_chown)
    }

    /// One name for virtio-scsi: see [`filter_virtio_scsi`](super::filter_virtio_scsi).
    pub fn virtio_scsi() -> Self {
        Self::text(text::filter_virtio_scsi)
    }

    /// Hides made-up node names: see
    /// [`filter_generated_node_ids`](super::filter_generated_node_ids).
    pub fn generated_node_ids() -> Self {
        Self::text(text::filter_generated_node_ids)
    }

    /// Hides the block sizes of NBD exports: see [`filter_nbd_exports`](super::filter_nbd_exports).
    pub fn nbd_exports() -> Self {
        Self::text(text::filter_nbd_exports)
    }

    /// Takes qtest's lines off a VM's log: see [`filter_qtest`](super::filter_qtest).
    pub fn qtest() -> Self {
        Self::text(text::filter_qtest)
    }

    /// Hides the time of an event: see [`filter_qmp_event`].
    ///
    /// As in `iotests.py`, what comes out is logged with its keys sorted, even where it went in
    /// ordered.
    pub fn qmp_event() -> Self {
        Self(Kind::Event)
    }

    /// A text filter of a case's own.
    pub fn custom_text(filter: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::text(move |text| Cow::Owned(filter(text)))
    }

    /// A filter of a case's own on whole QMP messages.
    pub fn custom_qmp(filter: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self(Kind::Qmp(Arc::new(filter)))
    }

    /// The filtered text; filters on QMP messages leave it as it is.
    pub fn apply_text(&self, text: &str) -> String {
        match &self.0 {
            Kind::Text(filter) => filter(text).into_owned(),
            Kind::Event | Kind::Qmp(_) => text.to_owned(),
        }
    }

    /// Filters a QMP message in place.
    pub fn apply_qmp(&self, value: &mut Value) {
        match &self.0 {
            Kind::Text(filter) => filter_qmp_strings(value, |text| filter(text)),
            Kind::Event => *value = filter_qmp_event(value),
            Kind::Qmp(filter) => filter(value),
        }
    }

    /// Filters a message on its way to the log.
    pub fn apply(&self, msg: &mut Msg) {
        match msg {
            Msg::Text(text) => *text = self.apply_text(text),
            Msg::Json(value) => self.apply_qmp(value),
            Msg::Ordered(value) => {
                self.apply_qmp(value);
                if matches!(self.0, Kind::Event) {
                    *msg = Msg::Json(value.take());
                }
            }
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Text(_) => "Filter(text)",
            Kind::Event => "Filter(event)",
            Kind::Qmp(_) => "Filter(qmp)",
        })
    }
}

/// Applies filters from first to last.
pub fn apply_all(filters: &[Filter], msg: &mut Msg) {
    for filter in filters {
        filter.apply(msg);
    }
}
