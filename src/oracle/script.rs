//! A finding as a script case: the same operations, done by qemu-io and qemu-img.

use std::fmt::Write as _;

use super::content::Content;
use super::image::Image;
use super::model::Model;
use super::op::{Op, stripes};

/// The operations as a script, under the comment `about`. Where the image is closed it is checked, and at the end all
/// that was touched is read.
pub(super) fn script(about: &str, image: &Image, size: u64, ops: &[Op]) -> String {
    let format = image.format();
    let mut writer = Writer {
        format: format.to_owned(),
        create: image.script_options(),
        body: String::new(),
        files: vec!["disk0".to_owned()],
        chain: vec![0],
        checked: image.is_checked(),
        model: image.model(size, true),
    };
    writer.line(format!("qemu-img create -f {format}{} $disk0 {}", writer.create, size));
    writer.open();
    for op in ops {
        writer.op(op);
        writer.model.apply(op);
    }
    writer.read_all();
    writer.close();
    format!("{about}formats: {format}\nfiles: {}\n\n{}", writer.files.join(" "), writer.body)
}

struct Writer {
    format: String,
    create: String,
    body: String,
    files: Vec<String>,
    /// The numbers of the files of the chain.
    chain: Vec<usize>,
    checked: bool,
    model: Model,
}

impl Writer {
    fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.body, "{}", line.as_ref());
    }

    fn top(&self) -> String {
        format!("${}", self.files[self.chain.last().copied().unwrap_or_default()])
    }

    fn new_file(&mut self, name: &str) -> usize {
        let number = self.files.len();
        self.files.push(format!("{name}{number}"));
        number
    }

    fn io(&mut self, command: impl AsRef<str>) {
        self.line(format!("io cmd {}", command.as_ref()));
    }

    fn open(&mut self) {
        let top = self.top();
        if self.format == "luks" {
            let options = "driver=luks,key-secret=keysec0,file.filename=";
            self.line(format!("io open -d unmap --object $LUKS_SECRET --image-opts \"{options}{top}\""));
        } else {
            self.line(format!("io open -d unmap -f {} {top}", self.format));
        }
    }

    fn close(&mut self) {
        self.line("io close");
        if self.checked {
            self.line(format!("check {}", self.top()));
        }
    }

    fn op(&mut self, op: &Op) {
        match *op {
            Op::Write { at, len, byte, stripe: 0 } => self.io(format!("write -P {byte:#04x} {at} {len}")),
            Op::Write { at, len, byte, stripe } => self.striped(at, len, byte, stripe),
            // QEMU refuses it there, which is no fault.
            Op::Compressed { at, len, .. } if self.model.content().is_touched(&(at..at + len)) => {
                self.line(format!("# Not repeated, since something was written there before: {op}"));
            }
            Op::Compressed { at, len, byte } => self.io(format!("write -c -P {byte:#04x} {at} {len}")),
            Op::Zero { at, len, unmap } => {
                self.io(format!("write -z {}{at} {len}", if unmap { "-u " } else { "" }));
            }
            Op::Discard { at, len } => self.io(format!("discard {at} {len}")),
            Op::Read { at, len } => self.read(at..at + len),
            Op::Flush => self.io("flush"),
            Op::Resize { to } => {
                self.io(format!("truncate {to}"));
                self.io("flush");
            }
            Op::Kill => {
                self.line("io kill");
                if self.checked && matches!(self.format.as_str(), "qcow2" | "qed") {
                    self.line(format!("quiet qemu-img check -r all -f {} {}", self.format, self.top()));
                }
                self.open();
            }
            _ => {
                self.close();
                self.offline(op);
                self.open();
            }
        }
    }

    fn offline(&mut self, op: &Op) {
        let (top, format) = (self.top(), self.format.clone());
        match *op {
            Op::Snapshot { id } => self.line(format!("qemu-img snapshot -c s{id} {top}")),
            Op::Revert { id } => self.line(format!("qemu-img snapshot -a s{id} {top}")),
            Op::Forget { id } => self.line(format!("qemu-img snapshot -d s{id} {top}")),
            Op::Overlay => {
                let number = self.new_file("disk");
                let create = self.create.clone();
                let file = self.files[number].clone();
                self.line(format!("qemu-img create -f {format}{create} -b {top} -F {format} ${file}"));
                self.chain.push(number);
            }
            Op::Commit => self.line(format!("qemu-img commit -f {format} {top}")),
            Op::Drop => drop(self.chain.pop()),
            Op::Rebase { onto } => {
                let below =
                    onto.map_or("''".to_owned(), |layer| format!("${}", self.files[self.chain[layer]]));
                self.line(format!("qemu-img rebase -f {format} -F {format} -b {below} {top}"));
                let last = self.chain.len() - 1;
                self.chain.drain(onto.map_or(0, |layer| layer + 1)..last);
            }
            _ => {}
        }
    }

    /// One request of data that is not the same all over comes from a file.
    fn striped(&mut self, at: u64, len: u64, byte: u8, stripe: u64) {
        let number = self.new_file("data");
        let data = self.files[number].clone();
        self.line(format!("qemu-img create -f raw ${data} {}", len.next_multiple_of(512)));
        let writes: String = stripes(0, len, byte, stripe)
            .map(|(piece, byte)| {
                format!(" -c 'write -P {byte:#04x} {} {}'", piece.start, piece.end - piece.start)
            })
            .collect();
        self.line(format!("quiet qemu-io -f raw{writes} ${data}"));
        self.io(format!("write -s ${data} {at} {len}"));
    }

    fn read_all(&mut self) {
        let touched: Vec<_> = self.model.content().touched().collect();
        touched.into_iter().for_each(|range| self.read(range));
    }

    /// What must be there; where several values are right there is nothing to demand.
    fn read(&mut self, range: std::ops::Range<u64>) {
        let content: &Content = self.model.content();
        for (piece, cell) in content.pieces(range) {
            if let Some(byte) = cell.now.only() {
                self.io(format!("read -P {byte:#04x} {} {}", piece.start, piece.end - piece.start));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::generate::{Ground, generate};
    use crate::oracle::op::Abilities;

    #[test]
    fn every_sequence_can_be_written_as_a_script() {
        let image = Image::new("qcow2").options("cluster_size=4k");
        let (size, can) = (image.usual_size(), Abilities::ALL);
        let ground = Ground { size, can, alignment: 1, cluster: image.cluster(), units: image.units() };
        for seed in 0..20 {
            let text = script("# What differs.\n", &image, size, &generate(seed, &ground, 100));
            if let Err(problems) = crate::script::parse(&text) {
                panic!("{problems:?}\n{text}");
            }
        }
    }
}
