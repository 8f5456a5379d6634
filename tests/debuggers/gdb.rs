//! As much of a debugger as lets a program run: GDB's remote protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to gdbserver.
pub(crate) struct Gdb(TcpStream);

impl Gdb {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut gdb = Self(stream);
        gdb.send("qSupported:multiprocess+;vContSupported+");
        gdb.reply();
        // All signals go to the program without stopping it.
        let signals: Vec<_> = (1..=0x97).map(|signal| format!("{signal:x}")).collect();
        gdb.send(&format!("QPassSignals:{}", signals.join(";")));
        assert_eq!(gdb.reply(), "OK");
        gdb
    }

    /// Lets the program run to its end; the packet that reports it.
    pub(crate) fn run_to_the_end(mut self) -> String {
        loop {
            self.send("vCont;c");
            let stop = self.reply();
            if stop.starts_with(['W', 'X']) {
                return stop;
            }
        }
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).unwrap();
    }

    /// The next packet that is not output of the program.
    fn reply(&mut self) -> String {
        let mut packet = String::new();
        while self.byte() != b'$' {}
        loop {
            match self.byte() {
                b'#' => break,
                byte => packet.push(byte.into()),
            }
        }
        let _sum = [self.byte(), self.byte()];
        self.0.write_all(b"+").unwrap();
        if packet.starts_with('O') && packet != "OK" { self.reply() } else { packet }
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }
}
