//! `-drive` as `iotests.py` writes it.

use super::VmBuilder;

/// A `-drive` (`iotests.py: VM.add_drive`): interface virtio, tested format, cache and AIO mode of
/// the run.
#[derive(Clone, Debug)]
pub struct Drive {
    path: Option<String>,
    options: String,
    interface: String,
    format: Option<String>,
}

impl Drive {
    /// A drive with this image.
    pub fn new(path: impl AsRef<str>) -> Self {
        Self { path: Some(path.as_ref().to_owned()), ..Self::empty() }
    }

    /// A drive without a medium.
    pub fn empty() -> Self {
        Self { path: None, options: String::new(), interface: "virtio".to_owned(), format: None }
    }

    /// More options, appended as they are.
    #[must_use]
    pub fn options(mut self, options: impl Into<String>) -> Self {
        self.options = options.into();
        self
    }

    /// Another interface, such as `none` or `ide`.
    #[must_use]
    pub fn interface(mut self, interface: impl Into<String>) -> Self {
        self.interface = interface.into();
        self
    }

    /// Another format than the tested one.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }
}

impl VmBuilder {
    /// Adds a virtio drive with this image; its id is `drive0`, `drive1`, … in the order of these
    /// calls (`iotests.py: VM.add_drive`).
    pub fn drive(self, path: impl AsRef<str>) -> Self {
        self.drive_with(Drive::new(path))
    }

    /// Adds a drive with other than the usual options. A LUKS image gets the default secret unless
    /// the options name a `key-secret`.
    pub fn drive_with(mut self, drive: Drive) -> Self {
        let env = self.test.context().env().clone();
        let is_assumed = drive.format.is_none();
        let format = drive.format.unwrap_or_else(|| self.test.imgfmt().to_owned());
        let mut options = vec![format!("if={}", drive.interface), format!("id=drive{}", self.drives)];
        if let Some(path) = &drive.path {
            self.assumed.extend(is_assumed.then(|| path.clone()));
            options.push(format!("file={path}"));
            options.push(format!("format={format}"));
            options.push(format!("cache={}", env.cachemode()));
            options.push(format!("aio={}", env.aiomode()));
        }
        if !drive.options.is_empty() {
            options.push(drive.options.clone());
        }
        if format == "luks" && !drive.options.contains("key-secret") {
            let secret = self.test.luks_secret_object();
            if !env.qemu_options().iter().chain(&self.args).any(|arg| *arg == secret) {
                self = self.object(secret);
            }
            options.push("key-secret=keysec0".to_owned());
        }
        self.drives += 1;
        self.args(["-drive".to_owned(), options.join(",")])
    }
}
