//! One side of a comparison: a library, its images, and the model of what they must hold.

use std::cell::OnceCell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::disk::{Disk, Library, Outcome};
use super::finding::{Kind, Stop};
use super::model::Model;
use super::op::{Op, stripes};
use super::qemu::QemuIo;
use super::{Image, inspect, verify};
use crate::context::ScratchFile;
use crate::error::{Error, Unchecked};
use crate::test::Test;

/// A library and the images that it is tested on.
pub(super) struct Entry {
    pub(super) image: Image,
    pub(super) library: Box<dyn Library>,
    /// A new image, with the size of its disk: to copy it is faster than to make another.
    blank: OnceCell<(u64, ScratchFile)>,
}

/// An image is copied up to this size.
const MOST_COPIED: u64 = 4 << 20;

impl Entry {
    pub(super) fn new(image: Image, library: Box<dyn Library>) -> Self {
        Self { image, library, blank: OnceCell::new() }
    }

    /// Makes a new image.
    fn create(&self, test: &Test, file: &str, size: u64) -> Result<(), Stop> {
        if let Some((_, blank)) = self.blank.get().filter(|(its_size, _)| *its_size == size) {
            let copied = fs::copy(blank, file).map_err(Error::io(format!("copy {blank} to {file}")));
            return Ok(copied.map(drop)?);
        }
        let mut args = vec!["create".to_owned()];
        args.extend(self.image.create_args(test));
        args.extend([file.to_owned(), size.to_string()]);
        test.qemu_img(args)?;
        let len = fs::metadata(file).map_err(Error::io(format!("look at {file}")))?.len();
        if self.image.is_one_file() && len <= MOST_COPIED && self.blank.get().is_none() {
            let blank = test.context().scratch().unique("oracle-blank");
            fs::copy(file, &blank).map_err(Error::io(format!("copy {file} to {blank}")))?;
            let _ = self.blank.set((size, blank));
        }
        Ok(())
    }

    pub(super) fn name(&self) -> String {
        format!("{} on {}", self.library.name(), self.image)
    }
}

/// One side during one sequence.
pub(super) struct Side<'e> {
    test: &'e Test,
    entry: &'e Entry,
    dir: PathBuf,
    model: Model,
    /// The images of the chain, the lowest first.
    chain: Vec<String>,
    made: usize,
    disk: Option<Box<dyn Disk>>,
}

impl<'e> Side<'e> {
    /// Creates the image in `dir` and opens it.
    pub(super) fn start(test: &'e Test, entry: &'e Entry, dir: PathBuf, size: u64) -> Result<Self, Stop> {
        let model = entry.image.model(size, entry.library.is_qemu());
        let mut side = Self { test, entry, dir, model, chain: Vec::new(), made: 0, disk: None };
        entry.library.begin();
        let file = side.new_file();
        entry.create(test, &file, size)?;
        side.chain.push(file);
        side.open()?;
        Ok(side)
    }

    /// Does one operation and compares what it may have changed.
    pub(super) fn step(&mut self, op: &Op) -> Result<(), Stop> {
        self.perform(op).map_err(|stop| stop.during(op))?;
        // What closed the image has compared it already, and what did not close it has a range.
        match op.range() {
            Some(range) => self.compare_near(&range),
            None if matches!(op, Op::Flush) => Ok(()),
            None => self.compare_all(),
        }
        .map_err(|stop| stop.during(format_args!("after {op}")))
    }

    /// Compares everything, closes the image and looks at it from the outside.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        let last = self.compare_all().and_then(|()| self.close());
        let last =
            if self.entry.library.is_qemu() { last.and_then(|()| self.compare_by_qemu()) } else { last };
        last.map_err(|stop| stop.during("at the end"))
    }

    fn perform(&mut self, op: &Op) -> Result<(), Stop> {
        match *op {
            Op::Write { at, len, byte, stripe } => {
                let mut data = vec![0; len as usize];
                for (piece, byte) in stripes(at, len, byte, stripe) {
                    data[(piece.start - at) as usize..(piece.end - at) as usize].fill(byte);
                }
                self.disk(|disk| disk.write(at, &data))?;
            }
            Op::Compressed { at, len, byte } => {
                let data = vec![byte; len as usize];
                // Only where nothing was written yet can every format do it.
                match self.disk(|disk| disk.write_compressed(at, &data)) {
                    Err(Stop::Found(Kind::Refused, _)) => return Ok(()),
                    other => other?,
                }
            }
            Op::Zero { at, len, unmap } => self.disk(|disk| disk.write_zeroes(at, len, unmap))?,
            Op::Discard { at, len } => self.disk(|disk| disk.discard(at, len))?,
            Op::Read { .. } => {}
            Op::Flush => self.disk(Disk::flush)?,
            Op::Resize { to } => self.disk(|disk| disk.resize(to).and_then(|()| disk.flush()))?,
            Op::Kill => {
                if let Some(disk) = self.disk.take() {
                    guarded(|| disk.kill())?;
                }
                self.model.apply(op);
                self.repair()?;
                return self.open();
            }
            _ => {
                self.close()?;
                self.offline(op)?;
                self.model.apply(op);
                return self.open();
            }
        }
        self.model.apply(op);
        Ok(())
    }

    /// What qemu-img does while the image is closed.
    fn offline(&mut self, op: &Op) -> Result<(), Stop> {
        let format = self.entry.image.format();
        let file = self.top().to_owned();
        let snapshot = |option: &str, id: u8| {
            self.test.qemu_img(["snapshot", option, &format!("s{id}"), &file]).map(drop)
        };
        match *op {
            Op::Snapshot { id } => snapshot("-c", id)?,
            Op::Revert { id } => snapshot("-a", id)?,
            Op::Forget { id } => snapshot("-d", id)?,
            Op::Overlay => {
                let overlay = self.new_file();
                let mut args = vec!["create".to_owned()];
                args.extend(self.entry.image.create_args(self.test));
                args.extend(["-b", &file, "-F", format, &overlay].map(str::to_owned));
                self.test.qemu_img(args)?;
                self.chain.push(overlay);
            }
            Op::Commit => drop(self.test.qemu_img(["commit", "-f", format, &file])?),
            Op::Drop => drop(self.chain.pop()),
            Op::Rebase { onto } => {
                let below = onto.map_or("", |layer| self.chain[layer].as_str());
                self.test.qemu_img(["rebase", "-f", format, "-F", format, "-b", below, &file])?;
                let last = self.chain.len() - 1;
                self.chain.drain(onto.map_or(0, |layer| layer + 1)..last);
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Stop> {
        let file = PathBuf::from(self.top());
        let disk = guarded(|| self.entry.library.open(&self.entry.image, &file));
        self.disk = Some(disk.map_err(|stop| stop.during("failed to open the image"))?);
        Ok(())
    }

    /// Closes the image and looks at it from the outside: its size, its metadata, its map, and through
    /// QEMU's eyes.
    fn close(&mut self) -> Result<(), Stop> {
        if let Some(disk) = self.disk.take() {
            guarded(|| disk.close()).map_err(|stop| stop.during("failed to close the image"))?;
        }
        self.model.apply(&Op::Flush);
        let file = self.top().to_owned();
        inspect::inspect(self.test, &self.entry.image, &file, &self.model)?;
        if self.entry.library.is_qemu() {
            // What opens it next compares it as well.
            return Ok(());
        }
        self.compare_by_qemu()
    }

    fn compare_by_qemu(&mut self) -> Result<(), Stop> {
        let file = self.top().to_owned();
        let mut qemu = QemuIo::new(self.test).open(&self.entry.image, Path::new(&file))?;
        verify::all(&mut *qemu, &mut self.model, self.entry.image.cluster())
            .map_err(|stop| stop.during("as qemu-io reads it"))?;
        Ok(qemu.close()?)
    }

    /// Repairs what a crash may leave behind; anything else that a check then finds is a fault.
    fn repair(&mut self) -> Result<(), Stop> {
        let Some(what) = self.entry.image.repair() else { return Ok(()) };
        let file = self.top().to_owned();
        let repaired =
            self.test.qemu_img(["check", "-r", what, "-f", self.entry.image.format(), &file]).unchecked();
        // It ends with 0 where everything was repaired.
        let repaired = repaired?;
        if repaired.success() {
            return Ok(());
        }
        let text = format!("after the crash: {}", repaired.text().trim());
        Err(Stop::Found(Kind::Check, text))
    }

    fn compare_near(&mut self, range: &std::ops::Range<u64>) -> Result<(), Stop> {
        let cluster = self.entry.image.cluster();
        let Some(disk) = &mut self.disk else { return Ok(()) };
        guarded_stop(|| verify::near(&mut **disk, &mut self.model, range, cluster))
    }

    fn compare_all(&mut self) -> Result<(), Stop> {
        let cluster = self.entry.image.cluster();
        let Some(disk) = &mut self.disk else { return Ok(()) };
        guarded_stop(|| verify::all(&mut **disk, &mut self.model, cluster))
    }

    fn disk(&mut self, work: impl FnOnce(&mut (dyn Disk + 'static)) -> Outcome) -> Result<(), Stop> {
        match &mut self.disk {
            Some(disk) => guarded(|| work(&mut **disk)),
            None => Ok(()),
        }
    }

    fn top(&self) -> &str {
        self.chain.last().map_or("", String::as_str)
    }

    fn new_file(&mut self) -> String {
        let number = self.made;
        self.made += 1;
        self.dir.join(format!("{number}.{}", self.entry.image.format())).display().to_string()
    }
}

/// Runs a library's code: its panic is a finding, not ours.
fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Result<T, Stop> {
    guarded_stop(|| work().map_err(Stop::from))
}

fn guarded_stop<T>(work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    // What is left of the library is dropped with its side, and nothing else is shared with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Stop::panicked(&*payload)))
}
