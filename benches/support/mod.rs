//! What the benchmarks have in common: a bare QEMU without the library, and pairs of measurements.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// Measures two things by turns, so that both meet the same conditions, and prints the medians and
/// their ratio.
pub(crate) fn compare(
    title: &str,
    pairs: usize,
    mut ours: impl FnMut() -> Duration,
    mut floor: impl FnMut() -> Duration,
) {
    let (mut our_times, mut floor_times) = (Vec::new(), Vec::new());
    for turn in 0..pairs {
        // Who goes first has the cache as the other one left it.
        if turn % 2 == 0 {
            our_times.push(ours());
            floor_times.push(floor());
        } else {
            floor_times.push(floor());
            our_times.push(ours());
        }
    }
    let (ours, floor) = (median(our_times), median(floor_times));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!(
        "{title}: {ours:.1?}, its floor {floor:.1?}: {ratio:.3} times as long (medians of {pairs} pairs)"
    );
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long it takes.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = what();
    (start.elapsed(), result)
}
