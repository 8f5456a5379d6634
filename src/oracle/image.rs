//! What kind of image a library is tested on: its format and options, and where the borders are that
//! its metadata draws.

use super::Abilities;
use super::content::Bytes;
use super::model::{Model, Tail};
use crate::test::Test;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The largest disk that is chosen without being asked for.
const LARGEST: u64 = 4 << 30;

/// A kind of image, as `qemu-img create` makes it.
#[derive(Clone, Debug)]
pub struct Image {
    format: String,
    options: Vec<(String, String)>,
}

/// What one format is like.
struct Kind {
    format: &'static str,
    can: Abilities,
    /// How large its clusters are by default.
    cluster: u64,
    /// How many clusters the next level of its metadata covers; 0 if there is none.
    covers: u64,
    /// Whether `qemu-img check` knows it.
    checked: bool,
    /// Whether `qemu-img map` says what was never allocated.
    mapped: bool,
}

const IN_PLACE: Abilities = Abilities::ZEROES;
const UNMAPS: Abilities = Abilities::ZEROES.with(Abilities::DISCARD);
const RESIZES: Abilities = Abilities::GROW.with(Abilities::SHRINK);

#[rustfmt::skip]
const KINDS: [Kind; 9] = [
    Kind { format: "raw", can: UNMAPS.with(RESIZES).with(Abilities::KILL), cluster: 4 * KIB, covers: 0, checked: false, mapped: false },
    Kind { format: "qcow2", can: Abilities::ALL, cluster: 64 * KIB, covers: 8 * KIB, checked: true, mapped: true },
    Kind { format: "qed", can: UNMAPS.with(Abilities::GROW).with(Abilities::BACKING).with(Abilities::KILL), cluster: 64 * KIB, covers: 32 * KIB, checked: true, mapped: true },
    Kind { format: "vmdk", can: UNMAPS, cluster: 64 * KIB, covers: 512, checked: true, mapped: true },
    Kind { format: "vdi", can: UNMAPS, cluster: MIB, covers: 0, checked: true, mapped: true },
    Kind { format: "vpc", can: IN_PLACE, cluster: 2 * MIB, covers: 0, checked: false, mapped: false },
    Kind { format: "vhdx", can: IN_PLACE, cluster: 8 * MIB, covers: 0, checked: true, mapped: false },
    Kind { format: "parallels", can: UNMAPS, cluster: MIB, covers: 0, checked: true, mapped: true },
    Kind { format: "luks", can: IN_PLACE.with(RESIZES), cluster: 512, covers: 0, checked: false, mapped: false },
];

/// A format that is not in the table is taken to be able to do this, and no more.
const UNKNOWN: Kind =
    Kind { format: "", can: Abilities::NONE, cluster: 64 * KIB, covers: 0, checked: false, mapped: false };

impl Image {
    /// Images of this format, with its default options.
    pub fn new(format: impl Into<String>) -> Self {
        Self { format: format.into(), options: Vec::new() }
    }

    /// Adds options as `qemu-img create -o` takes them: `cluster_size=4k,extended_l2=on`.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        let pairs = options.split(',').filter(|option| !option.is_empty());
        let pairs = pairs.map(|option| option.split_once('=').unwrap_or((option, "on")));
        self.options.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        self
    }

    /// Its format.
    pub fn format(&self) -> &str {
        &self.format
    }

    fn kind(&self) -> &'static Kind {
        KINDS.iter().find(|kind| kind.format == self.format).unwrap_or(&UNKNOWN)
    }

    fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.option(key).and_then(bytes)
    }

    /// What images of this format can do, as far as QEMU implements it.
    pub(super) fn can(&self) -> Abilities {
        let mut can = self.kind().can;
        let fixed = self.option("subformat").is_some_and(|kind| kind.ends_with("Flat") || kind == "fixed");
        if self.option("compat") == Some("0.10") || fixed {
            can = can.without(Abilities::DISCARD);
        }
        can
    }

    /// The unit that is allocated.
    pub(super) fn cluster(&self) -> u64 {
        let asked = ["cluster_size", "block_size"].iter().find_map(|key| self.number(key));
        asked.unwrap_or(self.kind().cluster)
    }

    /// All sizes at whose multiples something may go wrong, from the smallest: sectors, subclusters,
    /// clusters, and what one table of each level covers.
    pub(super) fn units(&self) -> Vec<u64> {
        let cluster = self.cluster();
        let mut units = vec![512, 4 * KIB, cluster];
        match self.format.as_str() {
            "qcow2" => {
                let extended = self.option("extended_l2") == Some("on");
                if extended {
                    units.push(cluster / 32);
                }
                // One L2 table, and what one refcount block counts.
                units.push(cluster * (cluster / if extended { 16 } else { 8 }));
                units.push(cluster * (cluster * 8 / self.number("refcount_bits").unwrap_or(16)));
            }
            "qed" => {
                let table = self.number("table_size").unwrap_or(4);
                units.push(cluster * (table * cluster / 8));
            }
            _ if self.kind().covers > 0 => units.push(cluster * self.kind().covers),
            _ => {}
        }
        units.sort_unstable();
        units.dedup();
        units
    }

    /// A size of the disk at which all of that is met without the disk being larger than it must.
    pub(super) fn usual_size(&self) -> u64 {
        let cluster = self.cluster();
        let largest = self.units().into_iter().filter(|unit| unit * 2 < LARGEST).max().unwrap_or(cluster);
        // No multiple of anything but a sector.
        (largest * 2 + cluster * 5 + cluster / 2 / 512 * 512 + 512).max(MIB)
    }

    /// The model of a new disk on such an image, as `is_qemu` or another library has it.
    pub(super) fn model(&self, size: u64, is_qemu: bool) -> Model {
        // QEMU does not clear the rest of the last cluster of a disk that shrinks: it is back when the disk grows.
        let may_return = is_qemu && self.format == "qcow2";
        // What an empty LUKS image decrypts to is nobody's choice.
        let blank = if self.format == "luks" { Bytes::any() } else { Bytes::one(0) };
        Model::new(size, blank, Tail { cluster: self.cluster(), may_return })
    }

    /// Whether an image is a file that does not know its own name.
    pub(super) fn is_one_file(&self) -> bool {
        ["raw", "qcow2", "qed", "luks"].contains(&self.format.as_str())
    }

    pub(super) fn is_checked(&self) -> bool {
        self.kind().checked
    }

    pub(super) fn is_mapped(&self) -> bool {
        // What is allocated ahead of time was never written.
        self.kind().mapped && self.option("preallocation").is_none_or(|mode| mode == "off")
    }

    /// What may be repaired after a crash without being a finding: leaks, or whatever an image that is
    /// marked as dirty has.
    pub(super) fn repair(&self) -> Option<&'static str> {
        match self.format.as_str() {
            "qcow2" if self.option("lazy_refcounts") == Some("on") => Some("all"),
            "qcow2" => Some("leaks"),
            "qed" => Some("all"),
            _ => None,
        }
    }

    /// The arguments of `qemu-img create` before the file.
    pub(super) fn create_args(&self, test: &Test) -> Vec<String> {
        let mut args = vec!["-f".to_owned(), self.format.clone()];
        let mut options: Vec<_> = self.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match self.format.as_str() {
            "luks" => {
                args.extend(["--object".to_owned(), test.luks_secret_object()]);
                options.extend(["key-secret=keysec0".to_owned(), "iter-time=10".to_owned()]);
            }
            // Otherwise QEMU rounds the size to what the geometry of a BIOS can say.
            "vpc" => options.push("force_size=on".to_owned()),
            _ => {}
        }
        if !options.is_empty() {
            args.extend(["-o".to_owned(), options.join(",")]);
        }
        args
    }

    /// The options for a `qemu-img create` of a script, with a blank before them.
    pub(super) fn script_options(&self) -> String {
        let options: Vec<_> = self.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if options.is_empty() { String::new() } else { format!(" -o {}", options.join(",")) }
    }

    /// The arguments that name an existing image to any of the tools, the file last.
    pub(super) fn open_args(&self, test: &Test, file: &str) -> Vec<String> {
        if self.format == "luks" {
            let options = format!("driver=luks,key-secret=keysec0,file.filename={}", file.replace(',', ",,"));
            vec!["--object".to_owned(), test.luks_secret_object(), "--image-opts".to_owned(), options]
        } else {
            vec!["-f".to_owned(), self.format.clone(), file.to_owned()]
        }
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.format)?;
        for (at, (key, value)) in self.options.iter().enumerate() {
            write!(f, "{}{key}={value}", if at == 0 { " with " } else { "," })?;
        }
        Ok(())
    }
}

/// A size as qemu-img takes it.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => KIB,
        "m" => MIB,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_follow_the_options() {
        let units = |options| Image::new("qcow2").options(options).units();
        assert_eq!(units("cluster_size=512"), [512, 4096, 512 * 64, 512 * 256]);
        assert_eq!(units(""), [512, 4096, 65536, 512 * MIB, 2048 * MIB]);
        assert_eq!(
            units("cluster_size=16k,extended_l2=on,refcount_bits=64"),
            [512, 4096, 16384, 16384 * 1024, 16384 * 2048]
        );
    }

    #[test]
    fn no_disk_is_larger_than_it_must_be() {
        for kind in &KINDS {
            let size = Image::new(kind.format).usual_size();
            assert!(size <= 2 * LARGEST && size.is_multiple_of(512), "{}: {size}", kind.format);
        }
    }
}
