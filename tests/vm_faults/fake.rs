//! A QEMU that goes wrong in the way that its name says: this test's own program under another name.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, exit};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, raise, signal};
use serde_json::{Value, json};

const GREETING: &str =
    r#"{"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}}, "capabilities": ["oob"]}}"#;

/// What goes before the name of a fault in the name of the program.
pub(crate) const PREFIX: &str = "fake-qemu-";

/// How much it prints when it floods its stderr.
pub(crate) const FLOOD: usize = 64 << 20;

/// What it prints before it ends early.
pub(crate) const LAST_WORDS: &str = "fake: the disk is on fire";

/// Plays the fault that the program's name ends with.
pub(crate) fn play(program: &Path, args: &[String]) -> ! {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap();
    let fault = name.strip_prefix(PREFIX).unwrap();
    if args == ["-object", "help"] {
        exit(0); // It has none.
    }
    if let Some(probe) = chardev(args, "probe") {
        answer_probes(probe, fault);
    }
    let pids = program.with_extension("pids");
    write_pid(&pids, std::process::id());
    let mut qemu = Qemu { monitor: chardev(args, "mon"), qtest: chardev(args, "qtest"), pids };
    qemu.go_wrong(fault);
    qemu.monitor = None;
    linger()
}

struct Qemu {
    monitor: Option<UnixStream>,
    qtest: Option<UnixStream>,
    pids: std::path::PathBuf,
}

impl Qemu {
    /// Does the fault; what comes back from here lingers without a monitor.
    fn go_wrong(&mut self, fault: &str) {
        match fault {
            "exits-at-once" => die(1),
            "exits-well-at-once" => exit(0),
            "crashes-at-once" => raise(Signal::SIGABRT).unwrap(),
            "never-greets" => {
                eprintln!("fake: thinking");
                linger();
            }
            "closes-at-once" => return,
            "greets-with-garbage" => {
                self.say("Segmentation fault (not really)");
                linger();
            }
            "leaves-a-heir" => {
                self.start_heir();
                die(1);
            }
            _ => {}
        }
        if fault == "ignores-sigterm" {
            // SAFETY: ignoring a signal installs no handler.
            unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
            self.start_heir();
        }
        self.say(GREETING);
        match fault {
            "greets-and-dies" => {
                self.command();
                die(3);
            }
            "refuses-capabilities" => {
                let id = self.command()["id"].take();
                let refusal = json!({ "class": "GenericError", "desc": "no" });
                eprintln!("{LAST_WORDS}");
                self.say(&json!({ "error": refusal, "id": id }).to_string());
                linger();
            }
            "floods-at-once" => self.flood(),
            _ => self.answer(json!({})),
        }
        let (mut paused, mut queries) = (false, 0);
        let mut first_asked: Option<Instant> = None;
        loop {
            let command = self.command();
            let id = command["id"].clone();
            match (command["execute"].as_str().unwrap(), fault) {
                ("quit", "ignores-quit") => self.say(&json!({ "return": {}, "id": id }).to_string()),
                ("quit", "never-answers-quit") => linger(),
                ("quit", "closes-at-quit") => return,
                // Rust's runtime does not handle this one.
                ("quit", "crashes-at-quit") => raise(Signal::SIGFPE).unwrap(),
                ("quit", "fails-at-quit") => die(7),
                ("quit", "reads-freed-memory") => {
                    read_freed_memory();
                    exit(0);
                }
                ("quit", "goes-before-its-answer") => exit(0),
                ("migrate", "migrates-slowly") => {
                    let completed = json!({ "event": "MIGRATION", "data": { "status": "completed" } });
                    self.say(&completed.to_string());
                    self.say(&json!({ "return": {}, "id": id }).to_string());
                }
                ("query-status", "migrates-slowly") => {
                    queries += 1;
                    // From the first query on, however late that comes: one is never enough.
                    let there = first_asked.is_some_and(|at| at.elapsed() > Duration::from_millis(200));
                    first_asked.get_or_insert_with(Instant::now);
                    let status = if there { "postmigrate" } else { "finish-migrate" };
                    self.say(&json!({ "return": { "status": status }, "id": id }).to_string());
                }
                ("quit", "migrates-slowly") => {
                    eprint!("{queries}");
                    exit(0);
                }
                ("quit", _) => {
                    self.say(&json!({ "return": {}, "id": id }).to_string());
                    exit(0);
                }
                ("query-status", "dies-in-mid-reply") => {
                    self.send(br#"{"return": {"run"#);
                    eprintln!("{LAST_WORDS}");
                    raise(Signal::SIGABRT).unwrap();
                }
                ("query-status", "answers-garbage") => self.say("\u{fffd}garbage"),
                ("query-status", "floods") => self.flood(),
                ("query-status", "floods-stderr") => {
                    let line = format!("{}\n", "x".repeat(1023));
                    let mut stderr = std::io::stderr().lock();
                    for _ in 0..FLOOD / line.len() {
                        stderr.write_all(line.as_bytes()).unwrap();
                    }
                    drop(stderr);
                    die(1);
                }
                ("query-status", "closes") => return,
                ("query-status", "exits-unasked") => exit(0),
                ("query-status", "never-answers") => linger(),
                ("query-block-jobs" | "query-jobs", "pauses-while-it-answers") => {
                    // That it is idle too is not reported.
                    queries += 1;
                    let status = if paused { "paused" } else { "running" };
                    let job = json!({
                        "device": "job0", "id": "job0", "status": status, "paused": paused, "busy": queries < 3,
                    });
                    if !paused {
                        let change = json!({ "id": "job0", "status": "paused" });
                        self.say(&json!({ "event": "JOB_STATUS_CHANGE", "data": change }).to_string());
                    }
                    paused = true;
                    self.say(&json!({ "return": [job], "id": id }).to_string());
                }
                ("query-jobs", "has-a-strange-job") => {
                    let job = json!({ "id": "job0", "status": "frozen" });
                    self.say(&json!({ "return": [job], "id": id }).to_string());
                }
                _ if fault == "qtest" => {
                    self.say(&json!({ "return": {}, "id": id }).to_string());
                    self.play_qtest();
                }
                _ => self.say(&json!({ "return": { "status": "running" }, "id": id }).to_string()),
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        // Nobody to tell: this process then ends with its monitor.
        if self.monitor.as_mut().unwrap().write_all(bytes).is_err() {
            linger();
        }
    }

    fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes());
    }

    fn command(&mut self) -> Value {
        let mut line = Vec::new();
        let mut byte = [0];
        let mut monitor = self.monitor.as_ref().unwrap();
        while byte != *b"\n" {
            match std::io::Read::read(&mut monitor, &mut byte) {
                Ok(1) => line.extend(byte),
                // A real one lives on without its monitor.
                _ => linger(),
            }
        }
        serde_json::from_slice(&line).unwrap()
    }

    fn answer(&mut self, result: Value) {
        let id = self.command()["id"].take();
        self.say(&json!({ "return": result, "id": id }).to_string());
    }

    fn flood(&mut self) -> ! {
        // Few large ones, so that they fill all the room there is before any deadline.
        let event = json!({ "event": "FLOOD", "data": "x".repeat(1 << 20), "timestamp": {} }).to_string();
        loop {
            self.say(&event);
        }
    }

    /// A child that has everything open that this process has, and stays.
    #[expect(clippy::zombie_processes, reason = "it shall outlive this process")]
    fn start_heir(&mut self) {
        let heir = Command::new("sleep").arg("1000").spawn().unwrap();
        write_pid(&self.pids, heir.id());
    }

    /// Answers some commands, leaves some without an answer, and closes at any other.
    fn play_qtest(&mut self) {
        let Some(mut qtest) = self.qtest.take() else { return };
        let mut commands = BufReader::new(qtest.try_clone().unwrap()).lines();
        while let Some(Ok(command)) = commands.next() {
            match command.as_str() {
                "clock_step 100" => qtest.write_all(b"OK 100\nleft").unwrap(),
                "clock_step" => qtest.write_all(b" over\n").unwrap(),
                "nothing" => {}
                "die" => exit(5),
                _ => return,
            }
        }
    }
}

/// The socket that this character device has.
fn chardev(args: &[String], id: &str) -> Option<UnixStream> {
    let prefix = format!("socket,id={id},fd=");
    let fd = args.iter().find_map(|arg| arg.strip_prefix(&prefix))?.parse().unwrap();
    // SAFETY: the descriptor was inherited for this device, and nothing else here uses it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

fn answer_probes(mut monitor: UnixStream, fault: &str) -> ! {
    let accelerators: &[&str] = match fault {
        "qtest-or-tcg" => &["qtest-accel", "tcg-accel"],
        _ if fault.ends_with("qtest") => &["qtest-accel"],
        _ => &["tcg-accel"],
    };
    let commands = BufReader::new(monitor.try_clone().unwrap());
    for line in commands.lines() {
        let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let result = match command["execute"].as_str().unwrap() {
            "query-version" => json!({ "qemu": { "major": 10, "minor": 0, "micro": 2 }, "package": "fake" }),
            "query-target" => json!({ "arch": "x86_64" }),
            "query-machines" => json!([{ "name": "pc", "is-default": true }]),
            "qom-list-types" if command["arguments"]["implements"] == "accel" => {
                accelerators.iter().map(|name| json!({ "name": name })).collect()
            }
            _ => json!([]),
        };
        let reply = json!({ "return": result, "id": command["id"] });
        monitor.write_all(format!("{reply}\n").as_bytes()).unwrap();
    }
    exit(0)
}

/// A mistake for valgrind to find.
fn read_freed_memory() {
    let freed = Box::into_raw(Box::new(7_u64));
    // SAFETY: none: this is the mistake, made only under valgrind, which keeps the memory mapped.
    unsafe {
        drop(Box::from_raw(freed));
        freed.read_volatile();
    }
}

fn die(status: i32) -> ! {
    eprintln!("{LAST_WORDS}");
    exit(status)
}

fn linger() -> ! {
    loop {
        std::thread::park();
    }
}

fn write_pid(pids: &Path, pid: u32) {
    let mut file = OpenOptions::new().create(true).append(true).open(pids).unwrap();
    writeln!(file, "{pid}").unwrap();
}
