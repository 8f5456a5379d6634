//! A bare QEMU without the library: the floor of the measurements.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// A QEMU with a monitor, as little as it takes.
pub(crate) struct Bare {
    child: Child,
    monitor: BufReader<UnixStream>,
}

impl Bare {
    /// Starts a process with this command line, its monitor's descriptor apart, and negotiates.
    pub(crate) fn launch(argv: &[String]) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let theirs = OwnedFd::from(theirs);
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).expect("an inherited descriptor");
        let number = theirs.as_raw_fd();
        let args = argv[1..].iter().map(|arg| match arg.split_once("id=mon,fd=") {
            Some((before, _)) => format!("{before}id=mon,fd={number}"),
            None => arg.clone(),
        });
        let child = Command::new(&argv[0])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("QEMU starts");
        drop(theirs);
        let mut bare = Self { child, monitor: BufReader::new(ours) };
        bare.read();
        bare.round_trip(br#"{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":0}"#);
        bare
    }

    /// Writes a line and reads one.
    pub(crate) fn round_trip(&mut self, command: &[u8]) -> Vec<u8> {
        let mut line = command.to_vec();
        line.push(b'\n');
        self.monitor.get_mut().write_all(&line).expect("QEMU listens");
        self.read()
    }

    fn read(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.monitor.read_until(b'\n', &mut line).expect("QEMU answers");
        line
    }

    /// Lets it quit, and waits for its end.
    pub(crate) fn quit(mut self) {
        self.round_trip(br#"{"execute":"quit","id":1}"#);
        self.child.wait().expect("QEMU ends");
    }
}
