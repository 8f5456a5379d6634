//! However a peer cuts its messages, and whatever bytes it sends, the monitor client copes.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "../../tests/support/peer.rs"]
mod peer;

use peer::{Peer, ample, event, with_monitor};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_messages_are_cut_into_reads_does_not_matter(cuts in prop::collection::vec(1_usize..200, 1..40)) {
        let script = |peer: &mut Peer| {
            let id = peer.command().unwrap()["id"].take();
            let reply = json!({ "return": "ü\n\"]}", "id": id });
            let text = [event("A", json!({})), event("B", json!("{}")), reply.to_string(), event("C", json!(0))]
                .map(|message| format!("{message}\r\n"))
                .concat();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                peer.send(piece);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            peer.linger();
        };
        with_monitor(script, |monitor| {
            assert_eq!(monitor.execute("query", (), ample()).unwrap(), json!({ "return": "ü\n\"]}" }));
            for name in ["A", "B", "C"] {
                assert_eq!(monitor.next_event(|_| true, ample()).unwrap().unwrap()["event"], name);
            }
        });
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let script = |peer: &mut Peer| {
            peer.command();
            peer.send(&bytes);
        };
        // Nothing in so few random bytes answers a command.
        with_monitor(script, |monitor| {
            assert!(monitor.execute("stop", (), ample()).is_err());
        });
    }
}
