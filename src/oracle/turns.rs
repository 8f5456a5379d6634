//! Two libraries on one image.

use std::cell::Cell;
use std::fmt;
use std::path::Path;

use super::disk::{Disk, Library, Outcome};
use super::{Abilities, Image};

/// Two libraries by turns on the same image, the first one first: each reads what the other wrote.
pub struct Turns {
    libraries: [Box<dyn Library>; 2],
    opened: Cell<usize>,
}

impl Turns {
    /// These two.
    pub fn new(first: impl Library + 'static, second: impl Library + 'static) -> Self {
        Self { libraries: [Box::new(first), Box::new(second)], opened: Cell::new(0) }
    }
}

impl Library for Turns {
    fn name(&self) -> String {
        let [first, second] = &self.libraries;
        format!("{} and {} by turns", first.name(), second.name())
    }

    fn can(&self) -> Abilities {
        let [first, second] = &self.libraries;
        first.can() & second.can()
    }

    fn alignment(&self) -> u64 {
        let [first, second] = &self.libraries;
        first.alignment().max(second.alignment())
    }

    fn is_qemu(&self) -> bool {
        self.libraries.iter().any(|library| library.is_qemu())
    }

    fn begin(&self) {
        self.opened.set(0);
    }

    fn open(&self, image: &Image, file: &Path) -> Outcome<Box<dyn Disk>> {
        let turn = self.opened.replace(self.opened.get() + 1);
        self.libraries[turn % 2].open(image, file)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
