//! QEMU as a library: through a qemu-io that stays open, a VM, or an NBD export.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::disk::{Disk, Library, Outcome};
use super::spoken::{Prompt, Spoken};
use super::{Abilities, Image};
use crate::error::{Error, Result};
use crate::process::Signal;
use crate::test::Test;
use crate::tools::{QemuIoInteractive, StorageDaemon};
use crate::vm::{Drive, IoTarget, Vm};

/// A qemu-io that keeps the image open.
#[derive(Clone, Debug)]
pub struct QemuIo(Test);

impl QemuIo {
    /// The qemu-io of this test.
    pub fn new(test: &Test) -> Self {
        Self(test.clone())
    }
}

impl Library for QemuIo {
    fn name(&self) -> String {
        "qemu-io".to_owned()
    }

    fn is_qemu(&self) -> bool {
        true
    }

    fn can(&self) -> Abilities {
        Abilities::ALL
    }

    fn open(&self, image: &Image, file: &Path) -> Outcome<Box<dyn Disk>> {
        let mut args = vec!["-d".to_owned(), "unmap".to_owned()];
        args.extend(image.open_args(&self.0, text(file)?));
        spoken(self.0.qemu_io_interactive(args)?, file)
    }
}

impl Prompt for QemuIoInteractive {
    fn run(&mut self, command: &str) -> Result<String> {
        self.try_cmd(command)
    }

    fn close(self) -> Result<()> {
        Self::close(self)
    }

    fn kill(self) -> Result<()> {
        Self::kill(self)
    }
}

/// A drive of a VM, without a guest that uses it.
#[derive(Clone, Debug)]
pub struct InVm(Test);

impl InVm {
    /// The QEMU of this test.
    pub fn new(test: &Test) -> Self {
        Self(test.clone())
    }
}

impl Library for InVm {
    fn name(&self) -> String {
        "a VM".to_owned()
    }

    fn is_qemu(&self) -> bool {
        true
    }

    fn can(&self) -> Abilities {
        Abilities::ALL
    }

    fn open(&self, image: &Image, file: &Path) -> Outcome<Box<dyn Disk>> {
        if self.0.context().env().print_qemu() {
            let why = "PRINT_QEMU sends to the terminal what a VM says about its disk, so that nobody can compare it";
            return Err(Error::Skip(why.to_owned()).into());
        }
        let drive = Drive::new(text(file)?).format(image.format()).interface("none").options("discard=unmap");
        spoken(self.0.vm().drive_with(drive).launch()?, file)
    }
}

const DRIVE: &str = "drive0";

impl Prompt for Vm {
    fn run(&mut self, command: &str) -> Result<String> {
        let io = self.try_drive_io(IoTarget::Drive(DRIVE), command)?;
        match io.reply["return"].as_str() {
            Some("") => Ok(io.printed),
            _ => Err(Error::assertion(format!("{command}: {}", io.reply))),
        }
    }

    fn resize(&mut self, size: u64) -> Result<String> {
        self.cmd("block_resize", json!({ "device": DRIVE, "size": size })).map(|_| String::new())
    }

    fn close(mut self) -> Result<()> {
        self.shutdown()
    }

    fn kill(mut self) -> Result<()> {
        Self::kill(&mut self)
    }
}

/// An NBD export of the storage daemon, with qemu-io as its client.
#[derive(Clone, Debug)]
pub struct OverNbd(Test);

impl OverNbd {
    /// The storage daemon and the qemu-io of this test.
    pub fn new(test: &Test) -> Self {
        Self(test.clone())
    }
}

impl Library for OverNbd {
    fn name(&self) -> String {
        "an NBD export".to_owned()
    }

    fn is_qemu(&self) -> bool {
        true
    }

    fn can(&self) -> Abilities {
        // The protocol has neither.
        Abilities::ALL.without(Abilities::COMPRESS | Abilities::GROW | Abilities::SHRINK)
    }

    fn open(&self, image: &Image, file: &Path) -> Outcome<Box<dyn Disk>> {
        if image.format() == "luks" {
            return Err("an NBD export of a LUKS image is not set up here: use qemu-io or a VM".into());
        }
        let socket = self.0.socket("oracle-nbd")?;
        let node = json!({
            "driver": image.format(),
            "node-name": "disk",
            "discard": "unmap",
            "file": { "driver": "file", "filename": text(file)?, "discard": "unmap" },
        });
        let daemon = self.0.storage_daemon([
            "--blockdev",
            &node.to_string(),
            "--nbd-server",
            &format!("addr.type=unix,addr.path={socket}"),
            "--export",
            "nbd,id=export,node-name=disk,name=disk,writable=on",
        ]);
        let daemon = daemon.start()?;
        let export = format!("nbd+unix:///disk?socket={socket}");
        let client = self.0.qemu_io_interactive(["-d", "unmap", "-f", "raw", &export])?;
        spoken(Export { client, daemon }, file)
    }
}

struct Export {
    client: QemuIoInteractive,
    daemon: StorageDaemon,
}

impl Prompt for Export {
    fn run(&mut self, command: &str) -> Result<String> {
        self.client.try_cmd(command)
    }

    fn close(self) -> Result<()> {
        self.client.close()?;
        self.daemon.stop()
    }

    fn kill(self) -> Result<()> {
        self.daemon.kill(Signal::SIGKILL)?;
        self.client.kill()
    }
}

fn spoken<P: Prompt + 'static>(prompt: P, file: &Path) -> Outcome<Box<dyn Disk>> {
    Ok(Box::new(Spoken::new(prompt, PathBuf::from(format!("{}.data", text(file)?)))))
}

fn text(file: &Path) -> Result<&str> {
    file.to_str().ok_or_else(|| Error::Setup(format!("{} is not UTF-8", file.display())))
}
