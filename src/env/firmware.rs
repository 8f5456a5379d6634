//! A firmware that does nothing: the machine is "running", as far as QEMU can tell, and uses no
//! processor time, so cases on the block layer need neither a guest nor the qtest accelerator.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Accel, TestEnv};
use crate::error::{Error, Result};

/// The least that x86 machines take.
const SIZE: usize = 64 * 1024;

/// Where an x86 processor starts, when the image ends at 4 GiB.
const RESET_VECTOR: usize = SIZE - 16;

/// The image that QEMU's `-bios` takes to make a processor of this target (as `query-target` names
/// it) halt for good. `None` if there is none for it.
pub fn image(target: &str) -> Option<Vec<u8>> {
    let mut image = vec![0; SIZE];
    match target {
        "x86_64" | "i386" => image[RESET_VECTOR..][..X86.len()].copy_from_slice(&X86),
        "aarch64" | "arm" => fill(&mut image, &ARM),
        "riscv32" | "riscv64" => fill(&mut image, &RISCV),
        _ => return None,
    }
    Some(image)
}

/// Runs at the reset vector. The timer is stopped first, or it would wake
/// QEMU 18 times a second.
const X86: [u8; 8] = [
    0xb0, 0x30, // mov al, 0x30: counter 0 waits for a start value
    0xe6, 0x43, // out 0x43, al
    0xfa, // cli
    0xf4, // halt: hlt
    0xeb, 0xfd, // jmp halt
];

/// Runs at the start, in 64-bit or 32-bit state, as the processor model has it: the first word is a
/// branch to the second loop in 32-bit state, and a harmless `ands` in 64-bit state.
const ARM: [u32; 10] = [
    0xea00_0006, // A32: b wait32; A64: ands x6, x0, x0
    0xd503_207f, // wait64: wfi
    0x17ff_ffff, // b wait64
    0,
    0,
    0,
    0,
    0,
    0xe320_f003, // wait32: wfi
    0xeaff_fffd, // b wait32
];

/// Runs at the start.
const RISCV: [u32; 2] = [
    0x1050_0073, // wait: wfi
    0xffdf_f06f, // j wait
];

fn fill(image: &mut [u8], words: &[u32]) {
    for (slot, word) in image.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
}

/// As [`image`]; that there is none is a reason to skip what needs a machine, and says what would help.
fn for_target(target: &str) -> Result<Vec<u8>> {
    image(target).ok_or_else(|| {
        Error::Skip(format!(
            "no halting firmware for the target {target}, on which virtual machines therefore need the qtest \
             accelerator: use an emulator that has it, or one for x86, Arm or RISC-V"
        ))
    })
}

impl TestEnv {
    /// Makes sure that virtual machines of this emulator can run by an accelerator that was asked for.
    ///
    /// # Errors
    /// [`Error::Variable`] if IOTESTS_ACCEL names one that needs a firmware, and there is none for the
    /// target; as [`accelerator`](Self::accelerator).
    pub(crate) fn try_accelerator(&self) -> Result<()> {
        let accel = self.accelerator()?;
        let target = &self.caps().emulator()?.target;
        if accel == Accel::Qtest || self.accel().is_none() || image(target).is_some() {
            return Ok(());
        }
        Err(Error::Variable {
            name: "IOTESTS_ACCEL".to_owned(),
            value: accel.name().to_owned(),
            expected: format!("qtest, for there is no halting firmware for the target {target}"),
        })
    }

    /// Puts the firmware for the emulator's target into `dir`, once, and says where it is. Safe
    /// when several processes do it at the same time.
    ///
    /// # Errors
    /// [`Error::Skip`] if there is none for this target; [`Error::Setup`] if the emulator cannot be asked;
    /// [`Error::Io`].
    pub fn write_firmware(&self, dir: &Path) -> Result<PathBuf> {
        let target = &self.caps().emulator()?.target;
        let image = for_target(target)?;
        let file = dir.join(format!("halt-{target}.bin"));
        if std::fs::read(&file).is_ok_and(|present| present == image) {
            return Ok(file);
        }
        let write = || {
            std::fs::create_dir_all(dir)?;
            let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
            temporary.write_all(&image)?;
            temporary.persist(&file)?;
            Ok(())
        };
        write().map_err(Error::io(format!("write the firmware {}", file.display())))?;
        Ok(file)
    }
}
