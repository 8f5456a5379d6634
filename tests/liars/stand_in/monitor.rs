//! A monitor that is passed through, with its error replies turned into success, and with what qemu-io commands of
//! the human monitor write damaged by another one.
//!
//! The harness hands QEMU one end of a socket pair. The stand-in keeps that end, and hands QEMU one of another pair.

use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use serde_json::{Map, Value, json};

use super::damage;
use super::record::Record;
use crate::lie::Lie;

/// The beginnings of the option that names the monitor's socket: that of a VM, that of a storage daemon.
const SOCKETS: [&str; 2] = ["socket,id=mon,fd=", "socket,id=qmp-sock,fd="];
const CHUNK: usize = 64 * 1024;
/// The id of the stand-in's own commands.
const OWN: &str = "\"liars\"";
const HMP: &str = "human-monitor-command";
/// The reply to a qemu-io command: what that prints, QEMU prints itself.
const DONE: &str = "\"return\": \"\"";

/// The command that would damage what the harness's last one writes.
type NextDamage = Arc<Mutex<Option<String>>>;

/// A monitor's two ends, and what is in between.
#[derive(Debug)]
pub(super) struct Between {
    client: UnixStream,
    server: UnixStream,
    /// QEMU's end, closed here once QEMU has it.
    far: OwnedFd,
}

/// The threads that pass it all on.
#[derive(Debug)]
pub(super) struct Pump {
    replies: JoinHandle<()>,
}

/// Puts the stand-in between, if the arguments name a monitor.
pub(super) fn take(args: &mut [String]) -> Option<Between> {
    let (arg, number) = args.iter_mut().find_map(|arg| {
        let number = SOCKETS.iter().find_map(|socket| arg.strip_prefix(socket))?.parse::<RawFd>().ok()?;
        Some((arg, number))
    })?;
    // SAFETY: the harness has opened it for this process, and nothing else here uses it.
    let client = UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) });
    let set = |fd: &dyn AsRawFd, flags| {
        // SAFETY: it is open, for the caller holds it.
        let fd = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
        fcntl(fd, FcntlArg::F_SETFD(flags)).expect("a descriptor of ours can be changed");
    };
    set(&client, FdFlag::FD_CLOEXEC);
    let (server, far) = UnixStream::pair().expect("a socket pair can be made");
    let far = OwnedFd::from(far);
    set(&far, FdFlag::empty());
    *arg = arg.replace(&format!("fd={number}"), &format!("fd={}", far.as_raw_fd()));
    Some(Between { client, server, far })
}

impl Between {
    /// Begins to pass on what is said, once QEMU runs.
    pub(super) fn pump(self, record: Record) -> Pump {
        let Self { client, server, far } = self;
        drop(far);
        let (to, from) = (server.try_clone(), client.try_clone());
        let (to, from) = (to.expect("a socket can be duplicated"), from.expect("a socket can be duplicated"));
        // Commands end when the process does.
        let next = NextDamage::default();
        let own = Arc::clone(&next);
        spawn(move || pass_commands(&from, &to, &own));
        Pump { replies: spawn(move || pass_replies(&server, &client, &record, &next)) }
    }
}

impl Pump {
    /// Waits until all that QEMU had said is passed on.
    pub(super) fn finish(self) {
        self.replies.join().expect("passing replies on does not panic");
    }
}

/// Commands, and the descriptors that come with some.
fn pass_commands(from: &UnixStream, to: &UnixStream, next: &NextDamage) {
    let mut bytes = vec![0; CHUNK];
    loop {
        let mut space = cmsg_space!([RawFd; 32]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let Ok(message) =
            recvmsg::<UnixAddr>(from.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
        else {
            break;
        };
        let mut fds = Vec::new();
        for part in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(numbers) = part {
                // SAFETY: the kernel has just opened them for us.
                fds.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        let count = message.bytes;
        if count == 0 {
            break;
        }
        // The harness waits for the reply of a command before it sends the next one.
        *next.lock().expect("no thread panics with it") = damaging(&bytes[..count]);
        let numbers: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights: &[_] = if numbers.is_empty() { &[] } else { &rights };
        let mut sent = 0;
        while sent < count {
            let part = [IoSlice::new(&bytes[sent..count])];
            let with = if sent == 0 { rights } else { &[] };
            match sendmsg::<UnixAddr>(to.as_raw_fd(), &part, with, MsgFlags::MSG_NOSIGNAL, None) {
                Ok(more) => sent += more,
                Err(_) => return,
            }
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Replies and events, a line each.
fn pass_replies(from: &UnixStream, to: &UnixStream, record: &Record, next: &NextDamage) {
    let (mut server, mut lines, mut client) = (from, BufReader::new(from), to);
    let mut held = None;
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
        if let Some(lied) = success_for(&line)
            && record.tells(Lie::ErrorAsSuccess)
        {
            line = lied;
        }
        if says(&line, OWN) {
            if says(&line, DONE) {
                record.note(Lie::Damage);
            }
            line = held.take().expect("the stand-in has asked once");
        } else if says(&line, DONE)
            && let Some(command) = next.lock().expect("no thread panics with it").take()
        {
            if record.would_tell(Lie::Damage) {
                let arguments = json!({ "command-line": command });
                let command = json!({ "execute": HMP, "arguments": arguments, "id": "liars" });
                if writeln!(server, "{command}").is_err() {
                    break;
                }
                held = Some(std::mem::take(&mut line));
                continue;
            }
            let _ = record.tells(Lie::Damage);
        }
        if client.write_all(&line).is_err() {
            break;
        }
        line.clear();
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The command of the human monitor that damages what this command writes, if it does.
fn damaging(command: &[u8]) -> Option<String> {
    let command: Value = says(command, HMP).then(|| serde_json::from_slice(command).ok())??;
    damage::over_hmp(command["arguments"]["command-line"].as_str()?)
}

fn says(line: &[u8], words: &str) -> bool {
    memchr::memmem::find(line, words.as_bytes()).is_some()
}

/// The reply of a command that worked, in place of an error reply.
fn success_for(line: &[u8]) -> Option<Vec<u8>> {
    // Most replies are none, and some are long.
    if !["\"error\"", "\"Error: "].iter().any(|words| says(line, words)) {
        return None;
    }
    let mut reply: Value = serde_json::from_slice(line).ok()?;
    let reply = reply.as_object_mut()?;
    let from_hmp = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("Error: "));
    let success = if reply.remove("error").is_some() {
        Value::Object(Map::new())
    } else if reply.get("return").is_some_and(from_hmp) {
        Value::String(String::new())
    } else {
        return None;
    };
    reply.insert("return".to_owned(), success);
    Some(format!("{}\r\n", Value::Object(reply.clone())).into_bytes())
}
