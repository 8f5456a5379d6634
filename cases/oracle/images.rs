//! Random operations on every format that QEMU writes, compared with a model after each of them.
//!
//! Left out is what QEMU is known to get wrong; the scripts beside this file show it, as known failures.
use iotests::oracle::{Abilities, Image, InVm, Library, Oracle, OverNbd, QemuIo, Turns};
use iotests::prelude::*;

/// Kinds of qcow2 image: their names, and their options.
const QCOW2: [(&str, &str); 8] = [
    ("default", ""),
    ("compat_0.10", "compat=0.10"),
    ("clusters_512", "cluster_size=512"),
    ("clusters_4k", "cluster_size=4k"),
    ("clusters_2M", "cluster_size=2M"),
    ("subclusters", "cluster_size=16k,extended_l2=on"),
    ("refcounts_64", "cluster_size=1k,refcount_bits=64"),
    ("lazy_refcounts", "cluster_size=4k,lazy_refcounts=on"),
];

pub fn suite(s: &mut Suite) {
    s.groups(["rw", "oracle", "quick"]).searches();
    s.test("formats", formats).formats(["raw", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "luks"]);
    s.test("qcow2", qcow2).formats(["qcow2"]).params(QCOW2.map(|(name, _)| name));
    s.test("lazy_refcounts_crash", lazy_refcounts_crash).formats(["qcow2"]);
    s.test("beside_raw", beside_raw).formats(["qcow2"]);
    s.test("in_vm", |t| by(t, InVm::new)).formats(["qcow2"]);
    let over_nbd = s.test("over_nbd", |t| by(t, OverNbd::new)).formats(["qcow2"]);
    over_nbd.requires(Requirement::Tool(ToolKind::QemuStorageDaemon));
    s.test("by_turns", |t| by(t, |t| Turns::new(QemuIo::new(t), InVm::new(t)))).formats(["qcow2"]);
}

/// What QEMU gets wrong with these images.
fn known(image: &Image) -> Abilities {
    match image.format() {
        // lazy_refcounts_crash.case
        "qcow2" if image.to_string().contains("lazy_refcounts=on") => Abilities::COMPRESS | Abilities::KILL,
        // compressed.case
        "qcow2" => Abilities::COMPRESS,
        // qed_zero_cluster.case
        "qed" => Abilities::BACKING,
        // parallels_zeroes.case
        "parallels" => Abilities::ZEROES | Abilities::DISCARD,
        _ => Abilities::NONE,
    }
}

fn formats(t: &mut Test) -> TestResult {
    Ok(oracle(t, Image::new(t.imgfmt())).run()?)
}

fn qcow2(t: &mut Test) -> TestResult {
    let options = QCOW2.iter().find(|(name, _)| *name == t.param()).map_or("", |(_, options)| options);
    Ok(oracle(t, Image::new("qcow2").options(options)).run()?)
}

/// Crashes before which nothing was freed.
fn lazy_refcounts_crash(t: &mut Test) -> TestResult {
    let image = Image::new("qcow2").options("cluster_size=4k,lazy_refcounts=on");
    let freeing = Abilities::COMPRESS | Abilities::ZEROES | Abilities::DISCARD;
    let oracle = Oracle::new(t, format!("crashes of {image}")).side(image, QemuIo::new(t));
    Ok(oracle.ops(60).seeds(1).without(freeing).run()?)
}

fn oracle(t: &Test, image: Image) -> Oracle<'_> {
    let known = known(&image);
    Oracle::new(t, image.to_string()).side(image, QemuIo::new(t)).ops(60).seeds(1).without(known)
}

/// Two formats at once: only what both can do is drawn.
fn beside_raw(t: &mut Test) -> TestResult {
    let oracle = oracle(t, Image::new("qcow2").options("cluster_size=1k"));
    Ok(oracle.side(Image::new("raw"), QemuIo::new(t)).run()?)
}

/// Fewer operations, since each of them takes longer.
fn by<L: Library + 'static>(t: &mut Test, library: impl Fn(&Test) -> L) -> TestResult {
    let (image, library) = (Image::new("qcow2").options("cluster_size=4k"), library(t));
    let known = known(&image);
    Ok(Oracle::new(t, library.name()).side(image, library).ops(30).seeds(1).without(known).run()?)
}
