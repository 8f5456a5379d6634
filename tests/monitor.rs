//! The monitor client against a peer that follows a script, over a real socket.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "support/peer.rs"]
mod peer;

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use iotests::error::{Error, QmpError};
use iotests::process::Deadline;
use iotests::qmp::{EventMatch, JobStatus, Monitor, error_of};
use peer::{GREETING, Peer, ample, event, negotiate, with_monitor, with_peer};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

/// For waits that shall end by their deadline.
fn short() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

/// The message without the time that it names.
fn text(error: &Error) -> String {
    let text = error.to_string();
    match text.split_once("timed out after ").and_then(|(_, rest)| rest.split_once(" s ")) {
        Some((_, rest)) => format!("timed out {rest}"),
        None => text,
    }
}

#[track_caller]
fn assert_closed(error: &Error) {
    assert!(matches!(error, Error::Monitor { closed: true, .. }), "{error:?}");
}

// ---- negotiation -------------------------------------------------------------------------------

#[test]
fn what_is_offered_is_enabled() {
    let offers = |capabilities: Value| {
        let greeting = json!({ "QMP": { "version": {}, "capabilities": capabilities } });
        let mut sent = Value::Null;
        with_peer(
            |peer| {
                peer.say(greeting.to_string());
                sent = peer.answer(json!({}));
            },
            |stream| assert_eq!(negotiate(stream, ample()).unwrap().greeting(), &greeting),
        );
        assert_eq!(sent["execute"], "qmp_capabilities");
        sent["arguments"].take()
    };
    assert_eq!(offers(json!(["oob"])), json!({ "enable": ["oob"] }));
    assert_eq!(offers(json!(["later", "oob"])), json!({ "enable": ["oob"] }));
    assert_eq!(offers(json!([])), Value::Null);
    assert_eq!(offers(json!(["later"])), Value::Null);
    assert_eq!(offers(Value::Null), Value::Null);
}

#[test]
fn refused_capabilities_are_the_error() {
    let error = with_peer(
        |peer| {
            peer.say(GREETING);
            let id = peer.command().unwrap()["id"].take();
            let refusal = json!({ "class": "GenericError", "desc": "not today" });
            peer.say(json!({ "error": refusal, "id": id }).to_string());
            peer.linger();
        },
        |stream| negotiate(stream, ample()).unwrap_err(),
    );
    let expected =
        "QEMU refused the handshake: QMP command qmp_capabilities failed: not today (GenericError)\n";
    assert!(text(&error).starts_with(expected), "{error}");
}

#[test]
fn a_peer_that_never_greets_times_out() {
    let error = with_peer(Peer::linger, |stream| negotiate(stream, short()).unwrap_err());
    assert_eq!(text(&error), "timed out waiting for the monitor's greeting");
}

#[test]
fn half_a_greeting_times_out() {
    let script = |peer: &mut Peer| {
        peer.send(&GREETING[..20]);
        peer.linger();
    };
    let error = with_peer(script, |stream| negotiate(stream, short()).unwrap_err());
    assert_eq!(text(&error), "timed out waiting for the monitor's greeting");
}

#[test]
fn anything_before_the_greeting_is_refused() {
    let script = |peer: &mut Peer| {
        peer.say(event("STOP", json!({})));
        peer.linger();
    };
    let error = with_peer(script, |stream| negotiate(stream, ample()).unwrap_err());
    let shown = text(&error);
    assert!(shown.starts_with("QEMU spoke before its greeting\nlast messages:\n    <- {"), "{shown}");
}

#[test]
fn a_second_greeting_is_refused() {
    let script = |peer: &mut Peer| {
        peer.command();
        peer.say(GREETING);
        peer.linger();
    };
    let error = with_monitor(script, |monitor| monitor.execute("stop", (), ample()).unwrap_err());
    assert!(text(&error).starts_with("QEMU greeted a second time\nlast messages:"), "{error}");
}

// ---- messages and reads ------------------------------------------------------------------------

#[test]
fn several_messages_in_one_read() {
    let script = |peer: &mut Peer| {
        let id = peer.command().unwrap()["id"].take();
        let reply = json!({ "return": [1], "id": id });
        peer.send(format!("{}\n{reply}\n\n{}\n", event("A", json!(1)), event("B", json!(2))));
        peer.linger();
    };
    with_monitor(script, |monitor| {
        assert_eq!(monitor.execute("query", (), ample()).unwrap(), json!({ "return": [1] }));
        let events = monitor.take_events(ample()).unwrap();
        assert_eq!(events.iter().map(|event| &event["event"]).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(events[1]["timestamp"], json!({ "seconds": 1, "microseconds": 2 }));
    });
}

#[test]
fn a_message_in_many_reads() {
    let script = |peer: &mut Peer| {
        let id = peer.command().unwrap()["id"].take();
        let text = format!("{}\r\n{}\r\n", event("A", json!({})), json!({ "return": "é", "id": id }));
        for byte in text.as_bytes() {
            peer.send([*byte]);
            // Each byte shall be a read of its own.
            thread::yield_now();
        }
        peer.linger();
    };
    with_monitor(script, |monitor| {
        assert_eq!(monitor.execute("query", (), ample()).unwrap(), json!({ "return": "é" }));
        assert_eq!(monitor.take_events(ample()).unwrap().len(), 1);
    });
}

#[test]
fn a_line_of_64_megabytes_each_way() {
    const SIZE: usize = 64 << 20;
    let script = |peer: &mut Peer| {
        let command = peer.command().unwrap();
        let long = command["arguments"]["long"].as_str().unwrap();
        peer.say(format!(r#"{{"return": "{long}", "id": {}}}"#, command["id"]));
        peer.answer(json!("short"));
        peer.linger();
    };
    with_monitor(script, |monitor| {
        let reply = monitor.execute("echo", json!({ "long": "x".repeat(SIZE) }), ample()).unwrap();
        assert_eq!(reply["return"].as_str().unwrap().len(), SIZE);
        assert_eq!(monitor.execute("next", (), ample()).unwrap(), json!({ "return": "short" }));
    });
}

#[test]
fn two_ends_that_both_write_do_not_wait_for_each_other() {
    const MANY: usize = 20_000;
    let script = |peer: &mut Peer| {
        // More than a socket holds, before the command, of the same size, is read.
        for number in 0..MANY {
            peer.say(event("NUMBER", json!(number)));
        }
        peer.answer(json!("done"));
        peer.linger();
    };
    with_monitor(script, |monitor| {
        let reply = monitor.execute("long", json!({ "x": "y".repeat(4 << 20) }), ample()).unwrap();
        assert_eq!(reply, json!({ "return": "done" }));
        let events = monitor.take_events(ample()).unwrap();
        assert_eq!(events.len(), MANY);
        assert!(events.iter().enumerate().all(|(number, event)| event["data"] == number));
    });
}

#[test]
fn a_peer_that_does_not_read_times_out_and_nothing_follows_half_a_command() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let script = move |peer: &mut Peer| {
        let _ = held.recv();
        peer.linger_quietly();
    };
    with_monitor(script, |monitor| {
        let long = json!({ "x": "y".repeat(4 << 20) });
        let error = monitor.execute("long", long, short()).unwrap_err();
        assert!(text(&error).starts_with("timed out waiting for the monitor to take long\n"), "{error}");
        let error = monitor.execute("next", (), ample()).unwrap_err();
        assert!(
            text(&error).starts_with("QEMU cannot be sent next: it took only a part of long before\n"),
            "{error}"
        );
        drop(release);
    });
}

impl Peer {
    /// Takes whatever comes until the client closes the connection, also half a command.
    fn linger_quietly(&mut self) {
        let _ = std::io::copy(&mut self.commands, &mut std::io::sink());
    }
}

#[test]
fn backing_images_nest_deep() {
    // An overlay of an overlay of …: each backing image is nested in the one above.
    let mut image = json!({ "filename": "base" });
    for _ in 0..400 {
        image = json!({ "backing-image": image });
    }
    let expected = image.clone();
    let script = move |peer: &mut Peer| {
        peer.answer(image);
        peer.linger();
    };
    with_monitor(script, |monitor| {
        assert_eq!(monitor.execute("query-block", (), ample()).unwrap()["return"], expected);
    });
}

// ---- replies -----------------------------------------------------------------------------------

#[test]
fn arguments_are_sent_as_they_are_and_left_out_when_empty() {
    let mut sent = Vec::new();
    with_monitor(
        |peer| {
            for _ in 0..3 {
                sent.push(peer.answer(json!({})));
            }
        },
        |monitor| {
            monitor.execute("one", json!({ "some_key": 1, "b": [] }), ample()).unwrap();
            monitor.execute("two", (), ample()).unwrap();
            monitor.execute("three", json!({}), ample()).unwrap();
        },
    );
    assert_eq!(sent[0], json!({ "execute": "one", "arguments": { "some_key": 1, "b": [] }, "id": 1 }));
    assert_eq!(sent[1], json!({ "execute": "two", "id": 2 }));
    assert_eq!(sent[2], json!({ "execute": "three", "id": 3 }));
}

#[test]
fn arguments_that_are_no_object_are_refused_before_anything_is_sent() {
    with_monitor(Peer::linger, |monitor| {
        let error = monitor.execute("stop", json!([1]), ample()).unwrap_err();
        assert_eq!(text(&error), "arguments of stop must be an object, this is [1]");
    });
}

#[test]
fn replies_to_others_are_passed_over() {
    let script = |peer: &mut Peer| {
        let command = peer.command().unwrap();
        peer.say(r#"{"return": "foreign", "id": "x"}"#);
        peer.say(r#"{"error": {"class": "GenericError", "desc": "foreign"}, "id": 77}"#);
        peer.say(json!({ "return": "mine", "id": command["id"] }).to_string());
        peer.linger();
    };
    with_monitor(script, |monitor| {
        assert_eq!(monitor.execute("query", (), ample()).unwrap(), json!({ "return": "mine" }));
    });
}

#[test]
fn a_late_reply_is_not_taken_for_the_next() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let script = move |peer: &mut Peer| {
        let first = peer.command().unwrap();
        wait.recv().unwrap();
        let second = peer.command().unwrap();
        peer.say(json!({ "return": "late", "id": first["id"] }).to_string());
        peer.say(json!({ "return": "in time", "id": second["id"] }).to_string());
        peer.linger();
    };
    with_monitor(script, |monitor| {
        let error = monitor.execute("slow", (), short()).unwrap_err();
        assert!(text(&error).starts_with("timed out waiting for the reply to slow\nlast seen:\n"), "{error}");
        assert!(text(&error).ends_with(r#"    -> {"execute":"slow","id":1}"#), "{error}");
        go_on.send(()).unwrap();
        assert_eq!(monitor.execute("quick", (), ample()).unwrap(), json!({ "return": "in time" }));
    });
}

#[test]
fn an_error_without_id_answers_the_command_under_way() {
    let script = |peer: &mut Peer| {
        peer.command();
        peer.say(r#"{"error": {"class": "CommandNotFound", "desc": "no such thing"}}"#);
        peer.linger();
    };
    with_monitor(script, |monitor| {
        let reply = monitor.execute("nonesuch", (), ample()).unwrap();
        let expected = QmpError {
            command: "nonesuch".into(),
            class: "CommandNotFound".into(),
            desc: "no such thing".into(),
        };
        assert_eq!(error_of("nonesuch", &reply), Some(expected));
    });
}

#[test]
fn a_return_without_id_answers_nothing() {
    let script = |peer: &mut Peer| {
        peer.command();
        peer.say(r#"{"return": {}}"#);
        peer.linger();
    };
    let error = with_monitor(script, |monitor| monitor.execute("stop", (), ample()).unwrap_err());
    assert!(text(&error).starts_with("QEMU answered where nothing was asked\n"), "{error}");
}

#[test]
fn an_error_that_nothing_asked_for_is_reported() {
    let script = |peer: &mut Peer| {
        peer.say(r#"{"error": {"class": "GenericError", "desc": "JSON parse error"}}"#);
        peer.linger();
    };
    let error = with_monitor(script, |monitor| monitor.next_event(|_| true, ample()).unwrap_err());
    assert!(text(&error).starts_with("QEMU answered where nothing was asked\n"), "{error}");
    assert!(text(&error).contains("JSON parse error"), "{error}");
}

#[test]
fn an_error_of_a_strange_form_is_shown_whole() {
    let error = error_of("stop", &json!({ "error": 5 })).unwrap();
    assert_eq!(error.to_string(), "QMP command stop failed: 5 (no class)");
    assert_eq!(error_of("stop", &json!({ "return": {} })), None);
}

// ---- garbage -----------------------------------------------------------------------------------

#[test]
fn garbage_is_reported_with_what_it_was() {
    let cases: &[(&[u8], &str)] = &[
        (b"Segmentation fault", "not JSON (expected value at line 1 column 1)"),
        (b"\xff\xfe\x00", "not JSON (expected value at line 1 column 1)"),
        (b"{\"return\": \"\xff\"}", "not JSON (invalid unicode code point at line 1 column 13)"),
        (b"{\"return\": {}", "not JSON (EOF while parsing an object at line 1 column 13)"),
        (b"[]", "not a JSON object"),
        (b"42", "not a JSON object"),
        (b"{}", "neither greeting, event nor reply"),
        (b"{\"id\": 1}", "a reply with neither `return` nor `error`"),
        (b"{\"return\": {}, \"error\": {}}", "a reply with both `return` and `error`"),
    ];
    for (garbage, problem) in cases {
        let script = |peer: &mut Peer| {
            peer.command();
            peer.send(garbage);
            peer.send("\n");
            peer.linger();
        };
        let error = with_monitor(script, |monitor| monitor.execute("stop", (), ample()).unwrap_err());
        let shown = text(&error);
        assert!(
            shown.starts_with(&format!("QEMU sent a line that is {problem}\nlast messages:\n")),
            "{shown}"
        );
        let last = format!("    <- {}", String::from_utf8_lossy(garbage));
        assert_eq!(shown.lines().last().unwrap(), last);
        assert!(matches!(error, Error::Monitor { closed: false, .. }));
    }
}

#[test]
fn nesting_without_end_is_garbage() {
    let script = |peer: &mut Peer| {
        peer.command();
        peer.send("[".repeat(1 << 20));
        peer.send("\n");
        peer.linger();
    };
    let error = with_monitor(script, |monitor| monitor.execute("stop", (), ample()).unwrap_err());
    assert!(text(&error).starts_with("QEMU sent a line that is not JSON (recursion limit"), "{error}");
    assert!(text(&error).len() < 2000, "a long line is shortened");
}

// ---- the end of the connection -----------------------------------------------------------------

#[test]
fn the_end_of_file_at_every_point_is_reported() {
    let second = r#"{"return": {}, "id": 0}"#;
    let third = event("STOP", json!({}));
    let fourth = r#"{"return": {"running": false}, "id": 1}"#;
    let whole = format!("{GREETING}\n{second}\n{third}\n{fourth}\n");
    for cut in 0..=whole.len() {
        let script = |peer: &mut Peer| {
            peer.send(&whole.as_bytes()[..cut]);
            peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
            peer.linger_quietly();
        };
        let result = with_peer(script, |stream| {
            let mut monitor = negotiate(stream, ample())?;
            monitor.execute("stop", (), ample())
        });
        if cut == whole.len() {
            assert_eq!(result.unwrap(), json!({ "return": { "running": false } }));
            continue;
        }
        let error = result.unwrap_err();
        assert_closed(&error);
        let waited_for = match whole[..cut].matches('\n').count() {
            0 => "its greeting",
            1 => "the reply to qmp_capabilities",
            _ => "the reply to stop",
        };
        let middle =
            if cut == 0 || whole[..cut].ends_with('\n') { "" } else { " in the middle of a message," };
        let shown = text(&error);
        let expected = format!("QEMU closed the monitor{middle} before {waited_for}");
        assert_eq!(shown.lines().next().unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn a_command_after_the_end_is_reported() {
    let error = with_monitor(
        |_| {},
        |monitor| {
            // Waits for the end, so that the command cannot be sent any more.
            assert_closed(&monitor.next_event(|_| true, ample()).unwrap_err());
            monitor.execute("stop", (), ample()).unwrap_err()
        },
    );
    assert_closed(&error);
    let shown = text(&error);
    assert!(shown.starts_with("QEMU closed the monitor before stop could be sent (Broken pipe"), "{shown}");
}

#[test]
fn events_before_the_end_are_not_lost() {
    let script = |peer: &mut Peer| {
        peer.say(event("SHUTDOWN", json!({ "guest": false })));
    };
    with_monitor(script, |monitor| {
        assert_eq!(monitor.take_events(ample()).unwrap()[0]["event"], "SHUTDOWN");
        assert_closed(&monitor.take_events(ample()).unwrap_err());
        assert_closed(&monitor.wait_event(&["STOP".into()], ample()).unwrap_err());
    });
}

#[test]
fn a_dead_process_ends_the_wait_though_its_socket_stays_open() {
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    let pid = Pid::from_raw(dead.id() as i32).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut peer = Peer::new(theirs);
    peer.say(GREETING);
    let error = Monitor::negotiate(ours, "QEMU", Some(pidfd), None, ample()).unwrap_err();
    assert_closed(&error);
    assert!(
        text(&error).starts_with("QEMU closed the monitor before the reply to qmp_capabilities"),
        "{error}"
    );
    dead.wait().unwrap();
}

// ---- events ------------------------------------------------------------------------------------

#[test]
fn events_wait_for_who_asks_for_them() {
    let script = |peer: &mut Peer| {
        for number in 0..4 {
            peer.say(event(if number % 2 == 0 { "EVEN" } else { "ODD" }, json!({ "n": number })));
        }
        peer.answer(json!({}));
        peer.linger();
    };
    with_monitor(script, |monitor| {
        // What comes before a reply is there when the reply is.
        monitor.execute("query", (), ample()).unwrap();
        let n = |event: Value| event["data"]["n"].as_i64().unwrap();
        let now = || Deadline::after(Duration::ZERO);
        assert_eq!(n(monitor.wait_event(&["ODD".into()], now()).unwrap()), 1);
        let wanted = [EventMatch::new("NONE"), EventMatch::new("EVEN").data(json!({ "n": 2 }))];
        assert_eq!(n(monitor.wait_event(&wanted, now()).unwrap()), 2);
        let big = EventMatch::new("ODD").satisfying(|event| event["data"]["n"].as_i64() > Some(1));
        assert_eq!(n(monitor.wait_event(&[big], now()).unwrap()), 3);
        assert_eq!(n(monitor.next_event(|_| true, now()).unwrap().unwrap()), 0);
        assert_eq!(monitor.next_event(|_| true, now()).unwrap(), None);
    });
}

#[test]
fn a_wait_that_times_out_names_what_it_was_for_and_what_it_saw() {
    let script = |peer: &mut Peer| {
        peer.say(event("STOP", json!({})));
        peer.linger();
    };
    let error = with_monitor(script, |monitor| {
        let wanted = [EventMatch::job_status("job0", JobStatus::Ready), "RESUME".into()];
        monitor.wait_event(&wanted, short()).unwrap_err()
    });
    let shown = text(&error);
    let expected = r#"timed out waiting for event JOB_STATUS_CHANGE containing {"data":{"id":"job0","status":"ready"}} or RESUME"#;
    assert_eq!(shown.lines().next().unwrap(), expected);
    assert!(shown.ends_with(&format!("    <- {}", event("STOP", json!({})))), "{shown}");
}

#[test]
fn a_flood_of_events_meets_the_deadline() {
    let flood = |peer: &mut Peer| {
        let line = format!("{}\n", event("FLOOD", json!({ "x": "y".repeat(200) }))).repeat(100);
        while peer.send(&line) {}
    };
    with_peer(
        |peer| {
            peer.greet();
            flood(peer);
        },
        |stream| {
            let mut monitor = negotiate(stream, ample()).unwrap();
            let error = monitor.execute("stop", (), short()).unwrap_err();
            assert!(text(&error).starts_with("timed out waiting for the reply to stop\n"), "{error}");
            let error = monitor.wait_event(&["STOP".into()], short()).unwrap_err();
            assert!(text(&error).starts_with("timed out waiting for event STOP\n"), "{error}");
            let now = Deadline::after(Duration::ZERO);
            assert!(!monitor.take_events(now).unwrap().is_empty());
            monitor.drain(now);
        },
    );
}

#[test]
fn a_flood_of_blank_lines_meets_the_deadline() {
    let script = |peer: &mut Peer| {
        peer.greet();
        while peer.send("\r\n".repeat(10_000)) {}
    };
    with_peer(script, |stream| {
        let mut monitor = negotiate(stream, ample()).unwrap();
        let error = monitor.execute("stop", (), short()).unwrap_err();
        assert!(text(&error).starts_with("timed out waiting for the reply to stop\n"), "{error}");
    });
}

#[test]
fn more_events_than_there_is_room_for_are_refused() {
    let script = |peer: &mut Peer| {
        let large = event("LARGE", json!("x".repeat(1 << 20)));
        while peer.say(&large) {}
    };
    let error = with_monitor(
        |peer| script(peer),
        |monitor| {
            let error = monitor.wait_event(&["STOP".into()], ample()).unwrap_err();
            monitor.stream().shutdown(std::net::Shutdown::Both).unwrap();
            error
        },
    );
    let expected = "QEMU sent more events than there is room for, and nobody asked for them\n";
    assert!(text(&error).starts_with(expected), "{error}");
}

#[test]
fn an_event_that_came_before_a_reply_can_be_waited_for_after_it() {
    let script = |peer: &mut Peer| {
        for _ in 0..2 {
            peer.say(event("CHANGE", json!({})));
            peer.answer(json!({}));
        }
        peer.linger();
    };
    with_monitor(script, |monitor| {
        monitor.execute("first", (), ample()).unwrap();
        let seen = monitor.queued_events();
        monitor.execute("second", (), ample()).unwrap();
        let change = |event: &Value| event["event"] == "CHANGE";
        assert!(monitor.await_event(seen, change, short()).unwrap());
        // It is still there, as is the older one.
        assert!(!monitor.await_event(seen + 1, change, short()).unwrap());
        assert_eq!(monitor.take_events(ample()).unwrap().len(), 2);
    });
}

#[test]
fn what_a_wait_has_passed_over_is_kept_apart_from_what_is_unread() {
    let script = |peer: &mut Peer| {
        for number in 0..5 {
            peer.say(event("NUMBER", json!(number)));
        }
        peer.answer(json!({}));
        peer.linger();
    };
    with_monitor(script, |monitor| {
        monitor.execute("query", (), ample()).unwrap();
        monitor.wait_event(&[EventMatch::new("NUMBER").data(json!(3))], ample()).unwrap();
        monitor.forget_events(|event| event["data"] == 1);
        let numbers = |events: Vec<Value>| events.iter().map(|it| it["data"].as_i64()).collect::<Vec<_>>();
        let (passed_over, unread) = monitor.drain(Deadline::after(Duration::ZERO));
        assert_eq!(numbers(passed_over.clone()), [Some(0), Some(2)]);
        assert_eq!(numbers(unread), [Some(4)]);
        monitor.restore_events(passed_over);
        let (passed_over, unread) = monitor.drain(Deadline::after(Duration::ZERO));
        assert_eq!((passed_over.len(), unread.len()), (2, 0));
    });
}

// ---- the transcript ----------------------------------------------------------------------------

#[test]
fn the_transcript_has_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qmp.log");
    let script = |peer: &mut Peer| {
        peer.greet();
        peer.answer(json!(5));
    };
    with_peer(script, |stream| {
        let mut monitor = Monitor::negotiate(stream, "QEMU", None, Some(&path), ample()).unwrap();
        monitor.execute("five", (), ample()).unwrap();
        // It says at any time what is waited for.
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("{\"execute\":\"five\",\"id\":1}\n"));
    });
    let expected = format!(
        "<- {GREETING}\n-> {}\n<- {}\n-> {}\n<- {}\n",
        r#"{"execute":"qmp_capabilities","id":0}"#,
        r#"{"return":{},"id":0}"#,
        r#"{"execute":"five","id":1}"#,
        r#"{"return":5,"id":1}"#
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}
