//! Declarations are judged centrally, in the order of `iotests.py` and with its reasons.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsString;

use iotests::context::Params;
use iotests::env::{TestEnv, ToolKind, Version};
use iotests::suite::{Declaration, Declare, Requirement, Suite, verdict};

/// The environment of this process as far as it says where QEMU is, and these variables.
fn env(variables: &[(&str, &str)]) -> TestEnv {
    let kept = [
        "PATH",
        "QEMU_PROG",
        "QEMU_IMG_PROG",
        "QEMU_IO_PROG",
        "QEMU_NBD_PROG",
        "QSD_PROG",
        "QEMU_MODULE_DIR",
    ];
    let kept = kept.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let given = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    TestEnv::from_vars(kept.chain(given)).unwrap()
}

fn declared(declare: impl FnOnce(&mut Suite)) -> Declaration {
    let mut suite = Suite::new();
    declare(&mut suite);
    suite.declaration().clone()
}

/// Why a suite so declared is skipped for this format over this protocol; empty if it is not.
fn reason(
    declare: impl FnOnce(&mut Suite),
    imgfmt: &str,
    imgproto: &str,
    variables: &[(&str, &str)],
) -> String {
    let params = Params { imgfmt: imgfmt.to_owned(), imgproto: imgproto.to_owned(), param: None };
    verdict(&[&declared(declare)], &params, &env(variables)).unwrap().unwrap_or_default()
}

#[test]
fn formats() {
    let for_format = |format| format!("not suitable for this image format: {format}");
    assert_eq!(reason(|_| {}, "qcow2", "file", &[]), "");
    assert_eq!(reason(|s| _ = s.formats(["qcow2"]), "qcow2", "file", &[]), "");
    assert_eq!(reason(|s| _ = s.formats(["qcow2"]), "raw", "file", &[]), for_format("raw"));
    assert_eq!(reason(|s| _ = s.unsupported_formats(["raw"]), "raw", "file", &[]), for_format("raw"));
    assert_eq!(reason(|s| _ = s.formats(["generic"]), "vdi", "file", &[]), "");
    let not_generic = [("IMGFMT_GENERIC", "false")];
    assert_eq!(reason(|s| _ = s.formats(["generic"]), "bochs", "file", &not_generic), for_format("bochs"));
    assert_eq!(reason(|s| _ = s.formats(["generic", "bochs"]), "bochs", "file", &not_generic), "");
}

#[test]
fn protocols() {
    let for_protocol = |protocol| format!("not suitable for this protocol: {protocol}");
    assert_eq!(reason(|_| {}, "raw", "file", &[]), "");
    assert_eq!(reason(|_| {}, "raw", "nbd", &[]), for_protocol("nbd"), "nobody has thought of it");
    assert_eq!(reason(|s| _ = s.unsupported_protocols(["ssh"]), "raw", "nbd", &[]), "");
    assert_eq!(reason(|s| _ = s.protocols(["file"]), "raw", "nbd", &[]), for_protocol("nbd"));
    assert_eq!(reason(|s| _ = s.protocols(["generic"]), "raw", "nbd", &[]), "");
    assert_eq!(reason(|s| _ = s.unsupported_protocols(["nbd"]), "raw", "nbd", &[]), for_protocol("nbd"));
    assert_eq!(
        reason(|s| _ = s.formats(["qcow2"]), "raw", "nbd", &[]),
        "not suitable for this image format: raw"
    );
}

#[test]
fn platforms() {
    assert_eq!(reason(|s| _ = s.platforms(["linu"]), "raw", "file", &[]), "");
    assert_eq!(reason(|s| _ = s.platforms(["win"]), "raw", "file", &[]), "not suitable for this OS: linux");
    assert_eq!(
        reason(|s| _ = s.platforms(["linux"]).unsupported_platforms(["lin"]), "raw", "file", &[]),
        "not suitable for this OS: linux"
    );
}

#[test]
fn modes_and_options() {
    let none = [("CACHEMODE", "none"), ("AIOMODE", "native")];
    assert_eq!(reason(|s| _ = s.cache_modes(["none"]).aio_modes(["native"]), "raw", "file", &none), "");
    assert_eq!(
        reason(|s| _ = s.cache_modes(["writeback"]), "raw", "file", &none),
        "not suitable for this cache mode: none"
    );
    assert_eq!(
        reason(|s| _ = s.aio_modes(["threads"]), "raw", "file", &none),
        "not suitable for this aio mode: native"
    );
    let compat = [("IMGOPTS", "compat=0.10")];
    assert_eq!(
        reason(|s| _ = s.unsupported_imgopts(["refcount_bits", "compat"]), "qcow2", "file", &compat),
        "not suitable for this imgopts: compat=0.10"
    );
    assert_eq!(reason(|s| _ = s.unsupported_imgopts(["refcount_bits"]), "qcow2", "file", &compat), "");
    let dollar = [("IMGOPTS", "data_file=$TEST_IMG.ext")];
    assert_eq!(
        reason(|_| {}, "qcow2", "file", &dollar),
        "not suitable for this imgopts: data_file=$TEST_IMG.ext"
    );
    // What is added for a format does not count.
    assert_eq!(reason(|s| _ = s.unsupported_imgopts(["="]), "vmdk", "file", &[]), "");
}

#[test]
fn requirements() {
    let needs = |requirement: Requirement| reason(move |s| _ = s.requires(requirement), "raw", "file", &[]);
    assert_eq!(reason(|s| _ = s.required_formats(["raw", "qcow2"]), "raw", "file", &[]), "");
    assert_eq!(
        reason(|s| _ = s.required_formats(["raw", "b", "a", "b"]), "raw", "file", &[]),
        "formats ['b', 'a'] are not whitelisted"
    );
    assert_eq!(needs(Requirement::ReadOnlyFormat("cloop".to_owned())), "");
    assert_eq!(needs(Requirement::VirtioBlk), "");
    assert_eq!(needs(Requirement::VirtioScsi), "");
    assert_eq!(needs(Requirement::Device("scsi-hd".to_owned())), "");
    assert_eq!(needs(Requirement::Device("warp-drive".to_owned())), "Missing warp-drive in QEMU binary");
    assert_eq!(needs(Requirement::QmpCommand("blockdev-add".to_owned())), "");
    assert_eq!(
        needs(Requirement::QmpCommand("blockdev-beam".to_owned())),
        "QMP command blockdev-beam missing in QEMU binary"
    );
    for path in ["blockdev-add/arg-type/+qcow2/data-file", "device_add/$json-cli"] {
        assert_eq!(needs(Requirement::Qapi(path.to_owned())), "");
    }
    assert_eq!(
        needs(Requirement::Qapi("blockdev-add/arg-type/+qcow2/dog-file".to_owned())),
        "blockdev-add/arg-type/+qcow2/dog-file missing in the QAPI schema of the QEMU binary"
    );
    assert_eq!(needs(Requirement::Program("sh".to_owned())), "");
    assert_eq!(
        needs(Requirement::Program("no-such-program".to_owned())),
        "no-such-program not found on PATH"
    );
    assert_eq!(needs(Requirement::Tool(ToolKind::QemuNbd)), "");
    let is_root = nix::unistd::getuid().is_root();
    assert_eq!(needs(Requirement::Root), if is_root { "" } else { "can only be run as root" });
    assert_eq!(needs(Requirement::NotRoot), if is_root { "cannot be run as root" } else { "" });
}

#[test]
fn a_tool_may_be_on_path_or_named_by_its_variable() {
    let qemu_nbd = env(&[]).tool(ToolKind::QemuNbd).unwrap().program.clone();
    let declared = declared(|s| _ = s.requires(Requirement::Tool(ToolKind::QemuNbd)));
    let image_tool = env(&[]).tool(ToolKind::QemuImg).unwrap().program.clone();
    let judge = |variables: &[(&str, &std::path::Path)]| {
        let tools = [("QEMU_IMG_PROG", image_tool.as_path())];
        let variables = tools.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into()));
        let params = Params { imgfmt: "raw".to_owned(), imgproto: "file".to_owned(), param: None };
        let env = TestEnv::from_vars(variables).unwrap();
        verdict(&[&declared], &params, &env).unwrap().unwrap_or_default()
    };
    assert_eq!(judge(&[]), "qemu-nbd is neither on PATH nor named by QEMU_NBD_PROG");
    assert_eq!(judge(&[("PATH", qemu_nbd.parent().unwrap())]), "");
    assert_eq!(judge(&[("QEMU_NBD_PROG", &qemu_nbd)]), "");
}

#[test]
fn versions() {
    let here = env(&[]).caps().version(ToolKind::Qemu).unwrap();
    let next = Version { major: here.major + 1, ..here };
    let needs = |requirement: Requirement| reason(move |s| _ = s.requires(requirement), "raw", "file", &[]);
    assert_eq!(needs(Requirement::MinVersion(here)), "");
    assert_eq!(needs(Requirement::MinVersion(next)), format!("needs QEMU {next} or later, this is {here}"));
    assert_eq!(needs(Requirement::BelowVersion(next)), "");
    assert_eq!(needs(Requirement::BelowVersion(here)), format!("needs a QEMU before {here}, this is {here}"));
}

#[test]
fn the_first_check_that_fails_gives_the_reason() {
    let all = |s: &mut Suite| {
        s.aio_modes(["native"]).platforms(["win"]).protocols(["nbd"]).required_formats(["none-such"]);
    };
    assert_eq!(reason(all, "raw", "file", &[]), "not suitable for this protocol: file");
    assert_eq!(reason(all, "raw", "nbd", &[]), "not suitable for this OS: linux");
}

#[test]
fn what_the_suite_and_the_test_declare_must_both_hold() {
    let suite = declared(|s| _ = s.formats(["qcow2", "raw"]));
    let test = declared(|s| _ = s.formats(["qcow2"]).cache_modes(["none"]));
    let judge = |imgfmt: &str| {
        let params = Params { imgfmt: imgfmt.to_owned(), imgproto: "file".to_owned(), param: None };
        verdict(&[&suite, &test], &params, &env(&[])).unwrap().unwrap_or_default()
    };
    assert_eq!(judge("raw"), "not suitable for this image format: raw");
    assert_eq!(judge("qcow2"), "not suitable for this cache mode: writeback");
    assert_eq!(judge("vdi"), "not suitable for this image format: vdi");
}
