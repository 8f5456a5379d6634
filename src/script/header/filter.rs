//! Filters that a header may name: the one table of them.

use std::fmt;

use crate::filter::Filter;
use crate::script::text::problem::{Pos, Problem};
use crate::test::Test;

/// A filter by its name.
pub struct FilterWord {
    /// The name.
    pub name: &'static str,
    /// What it hides.
    pub about: &'static str,
    make: fn(&Test) -> Filter,
}

impl fmt::Debug for FilterWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilterWord({})", self.name)
    }
}

const fn word(name: &'static str, about: &'static str, make: fn(&Test) -> Filter) -> FilterWord {
    FilterWord { name, about, make }
}

/// All of them, in the order of the manual.
pub static FILTERS: &[FilterWord] = &[
    word("imgfmt", "the image format under test: `IMGFMT`", Test::filter_imgfmt),
    word("generated-node-ids", "node names that QEMU made up: `NODE_NAME`", |_| Filter::generated_node_ids()),
    word("virtio-scsi", "the bus of a virtio SCSI controller: `virtio-scsi`", |_| Filter::virtio_scsi()),
    word("nbd-exports", "the block sizes that an NBD server reports: `XXX`", |_| Filter::nbd_exports()),
    word("chown", "numeric user and group ids: `UID:GID`", |_| Filter::chown()),
    word("qtest", "qtest's opening and closing lines in the log of a VM", |_| Filter::qtest()),
    word("win32", "carriage returns", |_| Filter::win32()),
];

impl FilterWord {
    /// The filter itself.
    pub(crate) fn filter(&self, test: &Test) -> Filter {
        (self.make)(test)
    }
}

/// The filter of this name.
pub(crate) fn find(name: &str, at: Pos) -> Result<&'static FilterWord, Problem> {
    FILTERS.iter().find(|word| word.name == name).ok_or_else(|| {
        let names = FILTERS.iter().map(|word| word.name);
        let expected = format!("known are {}", names.clone().collect::<Vec<_>>().join(", "));
        Problem::unknown(at, "filter", name, names, &expected)
    })
}
