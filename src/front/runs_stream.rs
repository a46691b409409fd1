//! A run's own stream: each event as it stands in the log.

use super::sse::{self, Presenter};
use crate::domain::{Code, Event, Logged, RunId, Seq, seconds};
use actix_web::web::{BufMut, BytesMut};
use serde::Serialize;
use std::ops::ControlFlow;

/// Renders `data:` lines without names, as clients of the reference expect them.
pub struct RunStream(pub RunId);

#[derive(Serialize)]
struct Frame<'a> {
    #[serde(flatten)]
    event: &'a Event,
    run_id: RunId,
    timestamp: f64,
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_after: Option<Seq>,
}

impl Presenter for RunStream {
    fn open(&mut self, out: &mut BytesMut) {
        out.put_slice(b": stream opened\n");
    }

    fn event(&mut self, logged: &Logged, out: &mut BytesMut) -> ControlFlow<()> {
        sse::id(out, logged.seq);
        out.put_slice(b"data: ");
        let frame = Frame {
            event: &logged.event,
            run_id: self.0,
            timestamp: seconds(logged.at),
            seq: logged.seq,
            lost_after: logged.lost_after,
        };
        sse::json(out, &frame);
        out.put_slice(b"\n\n");
        ControlFlow::Continue(())
    }

    fn close(&mut self, out: &mut BytesMut) {
        out.put_slice(b": stream closed\n");
    }

    /// Not the run's end, so no event says so: the client comes back with `Last-Event-ID`.
    fn broken(&mut self, code: Code, message: &str, out: &mut BytesMut) {
        out.put_slice(format!(": stream broken: {} {message}\n", code.wire()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Finish, Usage};
    use serde_json::{Value, json};

    fn frame(event: Event, lost_after: Option<Seq>) -> (String, Value) {
        let logged = Logged { seq: Seq(7), at: 1_795_299_980_369, lost_after, event };
        let mut out = BytesMut::new();
        let _ = RunStream(RunId::from_bytes([7; 16])).event(&logged, &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let (id, data) = text.strip_suffix("\n\n").unwrap().split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        assert!(!data.contains('\n'));
        (id.to_owned(), serde_json::from_str(data).unwrap())
    }

    #[test]
    fn an_event_is_one_frame_with_the_references_members_and_more() {
        let run_id = format!("run_{}", "07".repeat(16));
        let cases = [
            (
                Event::MessageDelta { delta: "a\nb".to_owned() },
                None,
                json!({"event": "message.delta", "delta": "a\nb"}),
            ),
            (
                Event::ToolStarted {
                    tool: "terminal".to_owned(),
                    preview: None,
                    call_id: "c".to_owned(),
                    arguments: json!({"command": "ls"}),
                },
                Some(Seq(3)),
                json!({"event": "tool.started", "tool": "terminal", "preview": null, "call_id": "c",
                       "arguments": {"command": "ls"}, "lost_after": 3}),
            ),
            (Event::RunStopping {}, None, json!({"event": "run.stopping"})),
            (
                Event::RunCompleted {
                    output: "x".to_owned(),
                    usage: Usage::default(),
                    finish_reason: Finish::Stop,
                    tool_calls: Vec::new(),
                    pending_steer: None,
                },
                None,
                json!({"event": "run.completed", "output": "x", "finish_reason": "stop",
                       "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}}),
            ),
        ];
        for (event, lost_after, mut expected) in cases {
            let common = json!({"run_id": run_id, "timestamp": 1_795_299_980.369, "seq": 7});
            for (name, value) in common.as_object().unwrap() {
                expected[name] = value.clone();
            }
            assert_eq!(frame(event, lost_after), ("id: 7".to_owned(), expected));
        }
    }
}
