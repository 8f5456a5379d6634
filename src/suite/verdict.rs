//! Whether a test can run at a point of the matrix, decided from its declarations and from what the
//! binaries can do, in the order of iotests.py and with its reasons.
//!
//! One check of iotests.py is made only where a test asks for it ([`Requirement::VirtioBlk`]): that QEMU
//! has virtio-blk. It starts an emulator, and a trial of qemu-img alone shall start none.

use std::collections::BTreeSet;

use super::{Declaration, Requirement};
use crate::context::Params;
use crate::env::{Accel, TestEnv, ToolKind};
use crate::error::Result;

/// Why a test cannot run here, or `None` if it can (`iotests.py: execute_setup_common`). All
/// declarations must hold: those of [`Suite::declarations`](super::Suite::declarations).
///
/// # Errors
/// [`Error::Setup`](crate::error::Error::Setup) when a binary does not answer.
pub fn verdict(declared: &[&Declaration], params: &Params, env: &TestEnv) -> Result<Option<String>> {
    let first_reason = |checks: &[Check]| {
        let mut found =
            checks.iter().flat_map(|check| declared.iter().map(move |one| check(one, params, env)));
        found.find_map(Result::transpose).transpose()
    };
    if let Some(reason) = first_reason(&[format])? {
        return Ok(Some(reason));
    }
    if params.imgproto != "file" && is_for_files_only(declared) {
        return Ok(Some(unsuitable_protocol(&params.imgproto)));
    }
    first_reason(&[protocol, platform, cache_mode, aio_mode, requirements, imgopts])
}

type Check = fn(&Declaration, &Params, &TestEnv) -> Result<Option<String>>;

fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|one| one == name)
}

/// `iotests.py: _verify_image_format`.
fn format(declared: &Declaration, params: &Params, env: &TestEnv) -> Result<Option<String>> {
    let imgfmt = &params.imgfmt;
    let generic = names(&declared.formats, "generic") && env.imgfmt_generic();
    let supported = declared.formats.is_empty() || generic || names(&declared.formats, imgfmt);
    if !supported || names(&declared.unsupported_formats, imgfmt) {
        return Ok(Some(format!("not suitable for this image format: {imgfmt}")));
    }
    if !names(env.caps().image_formats()?, imgfmt) {
        return Ok(Some(not_whitelisted(&[imgfmt])));
    }
    if imgfmt == "luks" { Ok(env.caps().luks()?.missing().map(str::to_owned)) } else { Ok(None) }
}

/// `iotests.py: _verify_protocol`.
fn protocol(declared: &Declaration, params: &Params, _: &TestEnv) -> Result<Option<String>> {
    let imgproto = &params.imgproto;
    let supported = declared.protocols.is_empty()
        || names(&declared.protocols, "generic")
        || names(&declared.protocols, imgproto);
    let suitable = supported && !names(&declared.unsupported_protocols, imgproto);
    Ok((!suitable).then(|| unsuitable_protocol(imgproto)))
}

/// A test that declares no protocols was written for files. (iotests.py runs such a test over every protocol.)
fn is_for_files_only(declared: &[&Declaration]) -> bool {
    declared.iter().all(|one| one.protocols.is_empty() && one.unsupported_protocols.is_empty())
}

fn unsuitable_protocol(imgproto: &str) -> String {
    format!("not suitable for this protocol: {imgproto}")
}

/// `iotests.py: _verify_platform`.
fn platform(declared: &Declaration, _: &Params, _: &TestEnv) -> Result<Option<String>> {
    let here = std::env::consts::OS;
    let named = |list: &[String]| list.iter().any(|prefix| here.starts_with(prefix.as_str()));
    let suitable = !named(&declared.unsupported_platforms)
        && (declared.platforms.is_empty() || named(&declared.platforms));
    Ok((!suitable).then(|| format!("not suitable for this OS: {here}")))
}

/// `iotests.py: _verify_cache_mode`.
fn cache_mode(declared: &Declaration, _: &Params, env: &TestEnv) -> Result<Option<String>> {
    let mode = env.cachemode();
    let suitable = declared.cache_modes.is_empty() || names(&declared.cache_modes, mode);
    Ok((!suitable).then(|| format!("not suitable for this cache mode: {mode}")))
}

/// `iotests.py: _verify_aio_mode`.
fn aio_mode(declared: &Declaration, _: &Params, env: &TestEnv) -> Result<Option<String>> {
    let mode = env.aiomode();
    let suitable = declared.aio_modes.is_empty() || names(&declared.aio_modes, mode);
    Ok((!suitable).then(|| format!("not suitable for this aio mode: {mode}")))
}

/// `iotests.py: _verify_imgopts`, of the options that are given. (The seed sees those as well that `check`
/// adds for a format, so that a test which wants none would never run for luks and vmdk.)
fn imgopts(declared: &Declaration, _: &Params, env: &TestEnv) -> Result<Option<String>> {
    let Some(options) = env.imgopts() else { return Ok(None) };
    let words = declared.unsupported_imgopts.iter().map(String::as_str).chain(["$"]);
    let suitable = !words.into_iter().any(|word| options.contains(word));
    Ok((!suitable).then(|| format!("not suitable for this imgopts: {options}")))
}

fn requirements(declared: &Declaration, _: &Params, env: &TestEnv) -> Result<Option<String>> {
    // All missing formats are in one reason, as in iotests.py.
    let formats = |pick: fn(&Requirement) -> Option<&String>, known: &[String]| -> Vec<_> {
        declared.requirements.iter().filter_map(pick).filter(|name| !known.contains(name)).collect()
    };
    let is_format =
        |one: &Requirement| matches!(one, Requirement::Format(_) | Requirement::ReadOnlyFormat(_));
    if declared.requirements.iter().any(is_format) {
        let known = env.caps().formats()?;
        let mut missing = formats(
            |one| if let Requirement::Format(name) = one { Some(name) } else { None },
            &known.read_write,
        );
        missing.extend(formats(
            |one| if let Requirement::ReadOnlyFormat(name) = one { Some(name) } else { None },
            &known.read_only,
        ));
        let mut seen = BTreeSet::new();
        missing.retain(|name| seen.insert(*name));
        if !missing.is_empty() {
            return Ok(Some(not_whitelisted(&missing)));
        }
    }
    for requirement in declared.requirements.iter().filter(|one| !is_format(one)) {
        if let Some(reason) = missing(requirement, env)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

fn not_whitelisted<S: AsRef<str>>(formats: &[S]) -> String {
    let quoted: Vec<_> = formats.iter().map(|name| format!("'{}'", name.as_ref())).collect();
    format!("formats [{}] are not whitelisted", quoted.join(", "))
}

fn unless_listed(format: &String, known: &[String]) -> Option<String> {
    (!known.contains(format)).then(|| not_whitelisted(&[format]))
}

/// Why one requirement does not hold here, or `None` if it does.
///
/// # Errors
/// As [`verdict`].
pub(crate) fn missing(requirement: &Requirement, env: &TestEnv) -> Result<Option<String>> {
    let caps = env.caps();
    let is_root = nix::unistd::getuid().is_root();
    let unless = |holds: bool, reason: &str| (!holds).then(|| reason.to_owned());
    Ok(match requirement {
        Requirement::Format(name) => unless_listed(name, &caps.formats()?.read_write),
        Requirement::ReadOnlyFormat(name) => unless_listed(name, &caps.formats()?.read_only),
        Requirement::VirtioBlk => {
            let devices = &caps.emulator()?.devices;
            unless(
                devices.iter().any(|name| name.contains("virtio-blk")),
                "Missing virtio-blk in QEMU binary",
            )
        }
        Requirement::VirtioScsi => {
            let emulator = caps.emulator()?;
            unless(
                emulator.has_device("virtio-scsi-pci") || emulator.has_device("virtio-scsi-ccw"),
                "Missing virtio-scsi-pci or virtio-scsi-ccw in QEMU binary",
            )
        }
        Requirement::Quorum => unless(caps.quorum()?, "quorum support missing"),
        Requirement::WorkingLuks => caps.luks()?.missing().map(str::to_owned),
        Requirement::Qcow2Zstd => caps.zstd()?.missing().map(str::to_owned),
        Requirement::Qtest if !caps.emulator()?.has_accelerator(Accel::Qtest) => {
            Some("Missing qtest accelerator in QEMU binary".to_owned())
        }
        // One that cannot be had fails the trial, whose VM then says why.
        Requirement::Qtest => env
            .accelerator()
            .ok()
            .filter(|accel| *accel != Accel::Qtest)
            .map(|accel| format!("needs the qtest accelerator, IOTESTS_ACCEL asks for {}", accel.name())),
        Requirement::Root => unless(is_root, "can only be run as root"),
        Requirement::NotRoot => unless(!is_root, "cannot be run as root"),
        Requirement::MinVersion(version) => {
            let here = caps.version(ToolKind::Qemu)?;
            unless(here >= *version, &format!("needs QEMU {version} or later, this is {here}"))
        }
        Requirement::BelowVersion(version) => {
            let here = caps.version(ToolKind::Qemu)?;
            unless(here < *version, &format!("needs a QEMU before {version}, this is {here}"))
        }
        Requirement::Program(name) => {
            unless(env.find_program(name).is_some(), &format!("{name} not found on PATH"))
        }
        Requirement::Tool(kind) => {
            let reason = format!("{kind} is neither on PATH nor named by {}", kind.variable());
            unless(env.tool(*kind).is_ok(), &reason)
        }
        Requirement::Device(name) => {
            unless(caps.emulator()?.has_device(name), &format!("Missing {name} in QEMU binary"))
        }
        Requirement::QmpCommand(name) => {
            unless(caps.emulator()?.has_command(name), &format!("QMP command {name} missing in QEMU binary"))
        }
        Requirement::Qapi(path) => {
            unless(caps.has_feature(path)?, &format!("{path} missing in the QAPI schema of the QEMU binary"))
        }
    })
}
