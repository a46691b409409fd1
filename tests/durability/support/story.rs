//! What a reader may rely on when the process died in the middle: nothing it saw is lost in silence, no number comes
//! twice.

use super::Frame;

/// The numbers of run events.
pub fn seqs(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.json()["seq"].as_u64().unwrap()).collect()
}

/// The text of all deltas.
pub fn text(frames: &[Frame]) -> String {
    frames.iter().filter_map(|frame| frame.json()["delta"].as_str().map(str::to_owned)).collect()
}

/// `seen` was read before the kill, `after` is the whole log after it.
pub fn outlives_a_kill(seen: &[Frame], after: &[Frame]) {
    let numbers = seqs(after);
    assert!(numbers.is_sorted_by(|one, next| one < next), "a number twice: {numbers:?}");
    for frame in seen {
        let event = frame.json();
        let seq = event["seq"].as_u64().unwrap();
        match after.iter().find(|kept| kept.json()["seq"] == seq) {
            Some(kept) => assert_eq!(kept, frame, "number {seq} is another event now"),
            None => {
                assert_eq!(frame.kind(), "message.delta", "a durable event is gone: {event}");
                assert!(is_told(after, seq), "number {seq} is gone without a word");
            }
        }
    }
    // Nor is there a hole that nobody speaks of.
    let holes = (1..*numbers.last().unwrap()).filter(|seq| !numbers.contains(seq));
    for seq in holes {
        assert!(is_told(after, seq), "number {seq} is missing without a word");
    }
}

/// Whether the event behind the hole around `seq` says from where on something is missing.
fn is_told(frames: &[Frame], seq: u64) -> bool {
    let next = frames.iter().map(Frame::json).find(|event| event["seq"].as_u64() > Some(seq));
    next.is_some_and(|event| event["lost_after"].as_u64().is_some_and(|kept| kept < seq))
}
