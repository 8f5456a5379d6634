//! The kinds of things that a script starts and ends.

/// What there can be several of, distinguished by `@name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A virtual machine.
    Vm,
    /// A qemu-io that waits for commands.
    Session,
    /// An NBD server.
    NbdServer,
    /// A storage daemon.
    StorageDaemon,
}

impl Thing {
    /// How messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vm => "VM",
            Self::Session => "qemu-io session",
            Self::NbdServer => "NBD server",
            Self::StorageDaemon => "storage daemon",
        }
    }

    /// Whether names of these come from the header.
    pub(crate) fn is_declared(self) -> bool {
        self == Self::Vm
    }

    /// One of these, as messages call it.
    pub(crate) fn called(self, name: &str) -> String {
        if name.is_empty() { format!("the {}", self.name()) } else { format!("{} {name}", self.name()) }
    }
}
