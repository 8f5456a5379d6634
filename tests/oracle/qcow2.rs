//! A qcow2 writer that is as small as it can be, with faults that can be planted in it. It opens images of version 3
//! that qemu-img has made, with 16-bit refcounts, and a raw or qcow2 backing file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use iotests::oracle::{Abilities, Disk, Image, Library, Outcome};

/// What is wrong with the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every fourth cluster is taken a second time.
    DoubleAllocation,
    /// A flush does not write the L2 tables.
    LostFlush,
    /// What is copied around a write into a new cluster ends a sector too early.
    WrongCow,
    /// The L2 entry of a cluster that is written over zeroes stays what it was.
    StaleL2,
}

/// How large a file may get.
const MOST_FILE: u64 = 16 << 20;
const COPIED: u64 = 1 << 63;
const ZERO: u64 = 1;
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The writer as a library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiny(pub(crate) Fault);

impl Library for Tiny {
    fn name(&self) -> String {
        format!("tiny ({:?})", self.0)
    }

    fn can(&self) -> Abilities {
        Abilities::ZEROES | Abilities::DISCARD | Abilities::KILL | Abilities::BACKING
    }

    fn open(&self, _image: &Image, file: &Path) -> Outcome<Box<dyn Disk>> {
        Ok(Box::new(Qcow2::open(file, self.0, true)?))
    }
}

struct Qcow2 {
    file: File,
    fault: Fault,
    cluster: u64,
    size: u64,
    l1: Vec<u64>,
    /// The L2 tables, all of them, with whether each is to be written.
    l2: Vec<Option<(Vec<u64>, bool)>>,
    /// One for each cluster of the file.
    refcounts: Vec<u16>,
    reftable: u64,
    backing: Option<Box<Qcow2>>,
    allocated: usize,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Qcow2 {
    fn open(path: &Path, fault: Fault, writable: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(writable).open(path)?;
        let u32_at = |at| -> io::Result<u64> {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, at)?;
            Ok(u64::from(u32::from_be_bytes(bytes)))
        };
        let u64_at = |at| -> io::Result<u64> { Ok(u32_at(at)? << 32 | u32_at(at + 4)?) };
        if u32_at(0)? != 0x5146_49fb || u32_at(4)? != 3 || u32_at(96)? != 4 || u64_at(72)? != 0 {
            return Err(invalid("not a plain qcow2 image of version 3"));
        }
        let cluster = 1 << u32_at(20)?;
        let l1 = table(&file, u64_at(40)?, u32_at(36)?)?;
        let l2 = l1.iter().map(|entry| {
            Ok(match entry & OFFSET {
                0 => None,
                at => Some((table(&file, at, cluster / 8)?, false)),
            })
        });
        let backing = match (u64_at(8)?, u32_at(16)?) {
            (0, _) => None,
            (at, len) => {
                let mut name = vec![0; len as usize];
                file.read_exact_at(&mut name, at)?;
                let name = String::from_utf8(name).map_err(|_| invalid("the backing file's name"))?;
                let path = path.parent().unwrap_or(Path::new("")).join(name);
                Some(Box::new(Self::open(&path, Fault::None, false)?))
            }
        };
        let (reftable, reftable_len) = (u64_at(48)?, u32_at(56)? * cluster / 8);
        let mut refcounts = Vec::new();
        // No image of these tests grows beyond that, and a refcount table covers far more.
        let most = (MOST_FILE / cluster) as usize;
        for entry in table(&file, reftable, reftable_len)? {
            if refcounts.len() >= most {
                break;
            }
            let mut block = vec![0; cluster as usize];
            if entry != 0 {
                file.read_exact_at(&mut block, entry)?;
            }
            refcounts.extend(block.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
        }
        let l2 = l2.collect::<io::Result<_>>()?;
        let size = u64_at(24)?;
        Ok(Self { file, fault, cluster, size, l1, l2, refcounts, reftable, backing, allocated: 0 })
    }

    fn entry(&self, at: u64) -> u64 {
        let per_table = self.cluster / 8;
        let number = at / self.cluster;
        match &self.l2[(number / per_table) as usize] {
            Some((table, _)) => table[(number % per_table) as usize],
            None => 0,
        }
    }

    fn set_entry(&mut self, at: u64, entry: u64) -> io::Result<()> {
        let per_table = self.cluster / 8;
        let number = at / self.cluster;
        let (first, second) = ((number / per_table) as usize, (number % per_table) as usize);
        if self.l2[first].is_none() {
            let place = self.allocate()?;
            self.file.write_all_at(&vec![0; self.cluster as usize], place)?;
            self.l1[first] = place | COPIED;
            self.l2[first] = Some((vec![0; per_table as usize], true));
        }
        if let Some((table, dirty)) = &mut self.l2[first] {
            table[second] = entry;
            *dirty = true;
        }
        Ok(())
    }

    /// A cluster that is free; the table of refcounts never grows.
    fn allocate(&mut self) -> io::Result<u64> {
        self.allocated += 1;
        if self.fault == Fault::DoubleAllocation
            && self.allocated.is_multiple_of(4)
            && let Some(last) = self.refcounts.iter().rposition(|count| *count > 0)
        {
            return Ok(last as u64 * self.cluster);
        }
        let per_block = self.cluster as usize / 2;
        loop {
            let free = self.refcounts.iter().position(|count| *count == 0);
            let free = free.ok_or_else(|| invalid("no room in the refcount table"))?;
            self.refcounts[free] = 1;
            let entry = self.reftable + (free / per_block) as u64 * 8;
            let mut block = [0; 8];
            self.file.read_exact_at(&mut block, entry)?;
            let at = free as u64 * self.cluster;
            self.file.set_len(self.file.metadata()?.len().max(at + self.cluster))?;
            if u64::from_be_bytes(block) != 0 {
                self.write_refcount(free)?;
                return Ok(at);
            }
            // The first cluster of a block that is not there yet becomes that block.
            self.file.write_all_at(&vec![0; self.cluster as usize], at)?;
            self.file.write_all_at(&at.to_be_bytes(), entry)?;
            self.write_refcount(free)?;
        }
    }

    fn write_refcount(&self, number: usize) -> io::Result<()> {
        let per_block = self.cluster as usize / 2;
        let mut block = [0; 8];
        self.file.read_exact_at(&mut block, self.reftable + (number / per_block) as u64 * 8)?;
        let at = u64::from_be_bytes(block) + (number % per_block) as u64 * 2;
        self.file.write_all_at(&self.refcounts[number].to_be_bytes(), at)
    }

    fn free(&mut self, at: u64) -> io::Result<()> {
        let number = (at / self.cluster) as usize;
        self.refcounts[number] = self.refcounts[number].saturating_sub(1);
        self.write_refcount(number)
    }

    fn pieces(&self, at: u64, len: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let cluster = self.cluster;
        let mut from = at;
        std::iter::from_fn(move || {
            let len = (cluster - from % cluster).min(at + len - from);
            let piece = (from, len);
            from += len;
            (len > 0).then_some(piece)
        })
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        for (from, len) in self.pieces(at, buffer.len() as u64) {
            let part = &mut buffer[(from - at) as usize..(from - at + len) as usize];
            let entry = self.entry(from);
            match (&self.backing, entry & OFFSET) {
                _ if entry & ZERO != 0 => part.fill(0),
                (_, place) if place != 0 => self.file.read_exact_at(part, place + from % self.cluster)?,
                (Some(backing), _) => {
                    part.fill(0);
                    let there = backing.size.saturating_sub(from).min(len) as usize;
                    backing.read_at(from, &mut part[..there])?;
                }
                _ => part.fill(0),
            }
        }
        Ok(())
    }

    fn write_piece(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        let entry = self.entry(at);
        if entry & OFFSET != 0 && entry & ZERO == 0 {
            return self.file.write_all_at(data, (entry & OFFSET) + at % self.cluster);
        }
        let start = at / self.cluster * self.cluster;
        let mut whole = vec![0; self.cluster as usize];
        let there = (self.size - start).min(self.cluster) as usize;
        self.read_at(start, &mut whole[..there])?;
        if self.fault == Fault::WrongCow {
            let end = (at % self.cluster) as usize + data.len();
            let wrong = (end + 512).min(whole.len());
            whole[end..wrong].fill(0);
        }
        let begin = (at % self.cluster) as usize;
        whole[begin..begin + data.len()].copy_from_slice(data);
        let place = match entry & OFFSET {
            0 => self.allocate()?,
            place => place,
        };
        self.file.write_all_at(&whole, place)?;
        if self.fault == Fault::StaleL2 && entry & ZERO != 0 {
            return Ok(());
        }
        self.set_entry(at, place | COPIED)
    }

    fn zero_piece(&mut self, at: u64, len: u64) -> io::Result<()> {
        if len < self.cluster && at + len != self.size || !at.is_multiple_of(self.cluster) {
            return self.write_piece(at, &vec![0; len as usize]);
        }
        let entry = self.entry(at);
        self.set_entry(at, ZERO)?;
        // Nobody may get the cluster before the entry that names it is gone.
        self.write_tables()?;
        if entry & OFFSET != 0 { self.free(entry & OFFSET) } else { Ok(()) }
    }

    fn write_tables(&mut self) -> io::Result<()> {
        if self.fault == Fault::LostFlush {
            return Ok(());
        }
        let mut l1_at = [0; 8];
        self.file.read_exact_at(&mut l1_at, 40)?;
        for (entry, table) in self.l1.iter().zip(&mut self.l2) {
            if let Some((table, dirty)) = table
                && std::mem::take(dirty)
            {
                self.file.write_all_at(&bytes(table), entry & OFFSET)?;
            }
        }
        self.file.write_all_at(&bytes(&self.l1), u64::from_be_bytes(l1_at))
    }
}

fn table(file: &File, at: u64, entries: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; entries as usize * 8];
    file.read_exact_at(&mut bytes, at)?;
    let words = bytes.chunks(8).map(|word| word.try_into().map(u64::from_be_bytes));
    words.collect::<Result<_, _>>().map_err(|_| invalid("a table"))
}

fn bytes(table: &[u64]) -> Vec<u8> {
    table.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

impl Disk for Qcow2 {
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Outcome {
        Ok(self.read_at(at, buffer)?)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Outcome {
        for (from, len) in self.pieces(at, data.len() as u64) {
            self.write_piece(from, &data[(from - at) as usize..(from - at + len) as usize])?;
        }
        Ok(())
    }

    fn write_zeroes(&mut self, at: u64, len: u64, _unmap: bool) -> Outcome {
        for (from, len) in self.pieces(at, len) {
            self.zero_piece(from, len)?;
        }
        Ok(())
    }

    fn discard(&mut self, at: u64, len: u64) -> Outcome {
        let cluster = self.cluster;
        let whole =
            self.pieces(at, len).filter(|(from, len)| *len == cluster && from.is_multiple_of(cluster));
        for (from, len) in whole {
            self.zero_piece(from, len)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        self.write_tables()?;
        Ok(self.file.sync_data()?)
    }

    fn close(mut self: Box<Self>) -> Outcome {
        // A flush that was lost in between is made up for when the image is closed.
        if self.fault == Fault::LostFlush {
            self.fault = Fault::None;
        }
        self.flush()
    }

    fn kill(self: Box<Self>) -> Outcome {
        Ok(())
    }
}
