//! A peer of the monitor client that says what a script makes it say, over a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use iotests::error::Result;
use iotests::process::Deadline;
use iotests::qmp::Monitor;
use serde_json::{Value, json};

pub(crate) const GREETING: &str =
    r#"{"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}}, "capabilities": []}}"#;

/// More than any of this takes, on any machine.
pub(crate) fn ample() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// The other end of the connection.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    pub(crate) commands: BufReader<UnixStream>,
}

impl Peer {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { commands: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// Sends bytes as they are; a client that has gone does not want them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn say(&mut self, line: impl AsRef<str>) -> bool {
        self.send(format!("{}\r\n", line.as_ref()))
    }

    /// The next command; `None` when the client has gone.
    pub(crate) fn command(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.commands.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Answers the next command.
    pub(crate) fn answer(&mut self, result: Value) -> Value {
        let command = self.command().unwrap();
        self.say(json!({ "return": result, "id": command["id"] }).to_string());
        command
    }

    pub(crate) fn greet(&mut self) {
        self.say(GREETING);
        assert_eq!(self.answer(json!({}))["execute"], "qmp_capabilities");
    }

    /// Keeps the connection open until the client closes it.
    pub(crate) fn linger(&mut self) {
        while self.command().is_some() {}
    }
}

/// Runs `client` against `script`.
pub(crate) fn with_peer<T>(script: impl FnOnce(&mut Peer) + Send, client: impl FnOnce(UnixStream) -> T) -> T {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let peer = scope.spawn(move || script(&mut Peer::new(theirs)));
        let result = client(ours);
        peer.join().unwrap();
        result
    })
}

pub(crate) fn negotiate(stream: UnixStream, deadline: Deadline) -> Result<Monitor> {
    Monitor::negotiate(stream, "QEMU", None, None, deadline)
}

/// Runs `client` with a monitor that `script` has greeted.
pub(crate) fn with_monitor<T>(
    script: impl FnOnce(&mut Peer) + Send,
    client: impl FnOnce(&mut Monitor) -> T,
) -> T {
    let greet_first = |peer: &mut Peer| {
        peer.greet();
        script(peer);
    };
    with_peer(greet_first, |stream| client(&mut negotiate(stream, ample()).unwrap()))
}

pub(crate) fn event(name: &str, data: Value) -> String {
    json!({ "timestamp": { "seconds": 1, "microseconds": 2 }, "event": name, "data": data }).to_string()
}
