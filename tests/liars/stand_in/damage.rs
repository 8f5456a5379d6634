//! Damage to what a tool has written, done by the real qemu-io once the tool has ended.

use std::path::Path;
use std::process::{Command, Stdio};

use iotests::env::ToolKind;
use serde_json::Value;

use super::call::Call;
use super::record::Record;
use crate::lie::Lie;

/// How much is overwritten at most: what every protocol and cache mode can write alone.
const MOST: u64 = 512;

/// Damages what the call wrote, if it wrote and this is the lie.
pub(super) fn after(call: &Call, record: &Record, real: &Path) {
    let Some(damage) = (match call.tool() {
        ToolKind::QemuIo => Damage::of_io(call),
        ToolKind::QemuImg => Damage::of_img(call, real),
        _ => None,
    }) else {
        return;
    };
    if record.would_tell(Lie::Damage) {
        let qemu_io = qemu_io();
        let done = Command::new(qemu_io)
            .args(&damage.options)
            .args(["-c", &damage.write])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if done.is_ok_and(|status| status.success()) {
            record.note(Lie::Damage);
        }
    } else {
        let _ = record.tells(Lie::Damage);
    }
}

/// The real qemu-io, wherever this stands in for another tool.
fn qemu_io() -> std::ffi::OsString {
    std::env::var_os(crate::stand_in::REAL_QEMU_IO).expect("the runner names the real qemu-io")
}

/// The command of a human monitor that damages what another one wrote: `qemu-io NODE "write …"`.
pub(super) fn over_hmp(command_line: &str) -> Option<String> {
    let (node, command) = command_line.strip_prefix("qemu-io ")?.split_once(" \"")?;
    // A request in flight may be held, and another one with it.
    let command = command.strip_suffix('"').filter(|command| !command.starts_with("aio_"))?;
    Some(format!("qemu-io {node} \"{}\"", Write::read(command)?.damage(node)))
}

/// A write that damages.
#[derive(Debug)]
struct Damage {
    options: Vec<String>,
    write: String,
}

impl Damage {
    /// The beginning of the last write, with another pattern, through the same options.
    fn of_io(call: &Call) -> Option<Self> {
        let mut options = Vec::new();
        let mut writes = Vec::new();
        let mut args = call.args().iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-c" => writes.extend(args.next().and_then(|command| Write::read(command))),
                _ => options.push(arg.clone()),
            }
        }
        let write = writes.last()?.damage(options.last()?);
        Some(Self { options, write })
    }

    /// The beginning of the data in what a command of qemu-img has written.
    fn of_img(call: &Call, real: &Path) -> Option<Self> {
        let options = target(call, real)?;
        let mut map = Command::new(real);
        map.args(["map", "--output=json"]).args(&options).stderr(Stdio::null());
        let extents: Value = serde_json::from_slice(&map.output().ok()?.stdout).ok()?;
        let extents = extents.as_array()?;
        let data = |extent: &&Value| extent["data"] == true && extent["depth"] == 0;
        let extent = extents.iter().find(data).or(extents.first())?;
        let (start, length) = (extent["start"].as_u64()?, extent["length"].as_u64()?);
        let pattern = pattern_for(options.last()?);
        Some(Self { options, write: format!("write -P {pattern:#x} {start} {}", length.min(MOST)) })
    }
}

/// A write of qemu-io's.
#[derive(Debug)]
struct Write<'a> {
    pattern: Option<&'a str>,
    offset: &'a str,
    length: &'a str,
}

impl<'a> Write<'a> {
    fn read(command: &'a str) -> Option<Self> {
        let words: Vec<_> = command.split_whitespace().collect();
        let (name, rest) = words.split_first()?;
        // -b writes a VM's state, which is no guest's data.
        if !["write", "aio_write", "writev"].contains(name) || rest.contains(&"-b") {
            return None;
        }
        // Of writev, the last of the lengths.
        let mut plain = Vec::new();
        let mut pattern = None;
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match *word {
                "-P" => pattern = rest.next().copied(),
                "-s" => drop(rest.next()),
                option if option.starts_with('-') => {}
                number => plain.push(number),
            }
        }
        let [offset, length, ..] = *plain else { return None };
        Some(Self { pattern, offset, length })
    }

    /// A write to its beginning, with another pattern.
    fn damage(&self, image: &str) -> String {
        let mut pattern = pattern_for(image);
        let own = self.pattern.and_then(|text| match text.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        });
        if own == Some(pattern) {
            pattern ^= 0x80;
        }
        let length = if is_small(self.length) { self.length } else { "512" };
        format!("write -q -P {pattern:#x} {} {length}", self.offset)
    }
}

/// The pattern that an image is damaged with. Images that were equal differ then.
fn pattern_for(image: &str) -> u8 {
    let name = image.rsplit('/').next().unwrap_or(image);
    0xd0 + name.bytes().fold(0_u8, u8::wrapping_add) % 0x10
}

/// Whether a size as qemu-io reads it is below what is overwritten.
fn is_small(size: &str) -> bool {
    size.parse().is_ok_and(|bytes: u64| bytes < MOST)
        || size
            .strip_prefix("0x")
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .is_some_and(|bytes| bytes < MOST)
}

/// How to name the image that a command has written, to qemu-img map and to qemu-io.
fn target(call: &Call, real: &Path) -> Option<Vec<String>> {
    let named = |format: Option<&str>, file: &str| {
        let format = format.into_iter().flat_map(|format| ["-f", format]);
        Some(format.chain([file]).map(str::to_owned).collect())
    };
    let (command, last) = (call.command()?, call.args().last()?);
    match command {
        "convert" if call.has("-n") && call.has("--target-image-opts") => {
            Some(vec!["--image-opts".to_owned(), last.clone()])
        }
        "convert" => named(Some(call.value("-O").unwrap_or("raw")), last),
        "dd" => {
            let output = call.args().iter().find_map(|arg| arg.strip_prefix("of="))?;
            named(Some(call.value("-O").unwrap_or("raw")), output)
        }
        _ if call.has("--image-opts") => None,
        "rebase" => named(call.value("-f"), last),
        "commit" => {
            let mut info = Command::new(real);
            info.args(["info", "--output=json", "-U"]);
            if let Some(format) = call.value("-f") {
                info.args(["-f", format]);
            }
            info.arg(last).stderr(Stdio::null());
            let info: Value = serde_json::from_slice(&info.output().ok()?.stdout).ok()?;
            let format = info["backing-filename-format"].as_str();
            let file = info["full-backing-filename"].as_str().or(info["backing-filename"].as_str())?;
            named(format, call.value("-b").unwrap_or(file))
        }
        _ => None,
    }
}
