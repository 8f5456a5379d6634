//! What a tool was asked to do, as far as a lie needs it; and how a server says that it is ready.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use iotests::env::ToolKind;

use super::{End, end_of};

/// One start of a tool.
#[derive(Debug)]
pub(super) struct Call {
    tool: ToolKind,
    args: Vec<String>,
}

impl Call {
    pub(super) fn new(tool: ToolKind, args: Vec<String>) -> Self {
        Self { tool, args }
    }

    pub(super) fn tool(&self) -> ToolKind {
        self.tool
    }

    pub(super) fn args(&self) -> &[String] {
        &self.args
    }

    /// The value of an option: the word after it.
    pub(super) fn value(&self, option: &str) -> Option<&str> {
        let at = self.args.iter().position(|arg| arg == option)?;
        self.args.get(at + 1).map(String::as_str)
    }

    /// The command of a tool that has several.
    pub(super) fn command(&self) -> Option<&str> {
        self.args.iter().map(String::as_str).find(|arg| !arg.starts_with('-'))
    }

    /// Whether an option is given.
    pub(super) fn has(&self, option: &str) -> bool {
        self.args.iter().any(|arg| arg == option)
    }

    /// The file by which a server says that it is ready.
    pub(super) fn pid_file(&self) -> Option<&Path> {
        self.value(self.pid_option()?).map(Path::new)
    }

    fn pid_option(&self) -> Option<&'static str> {
        match self.tool {
            ToolKind::QemuNbd => Some("--pid-file"),
            ToolKind::QemuStorageDaemon => Some("--pidfile"),
            _ => None,
        }
    }

    /// Whether it talks with the harness while it runs, so that nothing of what it prints may wait: a server, a
    /// VM, and a qemu-io at its prompt.
    pub(super) fn talks(&self) -> bool {
        match self.tool {
            ToolKind::QemuImg => false,
            ToolKind::QemuIo => !self.has("-c"),
            ToolKind::QemuNbd => self.pid_file().is_some(),
            _ => true,
        }
    }

    /// The real server's way to say that it is ready.
    pub(super) fn relay(&self) -> Option<Relay> {
        let own = self.pid_file()?.to_owned();
        let mut name = own.clone().into_os_string();
        name.push(".real");
        Some(Relay { own, real: name.into() })
    }
}

/// Hands on that the server is ready, with the stand-in's process id in place of its own.
#[derive(Debug)]
pub(super) struct Relay {
    own: PathBuf,
    real: PathBuf,
}

impl Relay {
    /// The arguments with a pid file for the real server.
    pub(super) fn replace(&self, args: &mut [String]) {
        for arg in args.iter_mut().filter(|arg| Path::new(arg) == self.own) {
            *arg = self.real.to_str().expect("made of text").to_owned();
        }
    }

    /// Waits for the server's end, and hands on what it says meanwhile.
    pub(super) fn wait(&self, child: &mut Child) -> End {
        let mut ready = false;
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return end_of(status);
            }
            if !ready && std::fs::read_to_string(&self.real).is_ok_and(|text| text.ends_with('\n')) {
                ready = true;
                say_ready(&self.own);
            }
            if ready {
                let status = child.wait().expect("a child can be waited for");
                let _ = std::fs::remove_file(&self.own);
                return end_of(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Writes the pid file of this process.
pub(super) fn say_ready(pid_file: &Path) {
    std::fs::write(pid_file, format!("{}\n", std::process::id())).expect("a pid file can be written");
}
