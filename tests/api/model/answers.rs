//! What streams, and how it is handed out.

use super::{LONG, ask, ask_and_tell, client, local};
use crate::support::upstream::{Upstream, within};
use hermes_gateway::{
    domain::Usage,
    model::{ModelAnswer, ModelError},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn answers_stream_and_end_with_usage() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        let cases = [
            ("hello", "You said: hello", "", 2),
            ("@@stream 3 0", "tok0 tok1 tok2 ", "", 6),
            ("@@reason because", "Thought about it.", "because", 2),
            ("@@json", "A whole answer.", "", 1),
            ("@@leave-out-done", "No end.", "", 1),
        ];
        for (said, text, reasoning, tokens) in cases {
            let (deltas, end) = ask(&client, said).await;
            let expected = ModelAnswer {
                text: text.to_owned(),
                reasoning: reasoning.to_owned(),
                finish_reason: Some("stop".to_owned()),
                usage: Some(Usage {
                    input_tokens: 50,
                    output_tokens: tokens,
                    total_tokens: 50 + tokens,
                    ..Usage::default()
                }),
                ..ModelAnswer::default()
            };
            assert_eq!(end.unwrap(), expected, "{said}");
            let thought = if reasoning.is_empty() { String::new() } else { format!("({reasoning})") };
            assert_eq!(deltas.concat(), thought + text, "{said}");
        }
        assert_eq!(upstream.connections(), 1, "the connection is kept");
        assert_eq!(upstream.keys()[0].as_deref(), Some("Bearer sk-test"));
        assert_eq!(upstream.requests()[0]["messages"][1], json!({ "role": "user", "content": "hello" }));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_read() {
    local(async {
        let upstream = Upstream::start().await;
        let (deltas, end) = ask(&client(&upstream.url(), LONG), "@@unframed").await;
        assert_eq!((deltas.concat().as_str(), end.unwrap().text.as_str()), ("Unframed.", "Unframed."));
    })
    .await;
}

#[tokio::test]
async fn tool_calls_arrive_whole() {
    local(async {
        let upstream = Upstream::start().await;
        let said = r#"@@tools terminal {"command":"ls"} ;; read_file {"path":"a"}"#;
        let (deltas, end) = ask(&client(&upstream.url(), LONG), said).await;
        let answer = end.unwrap();
        let calls: Vec<_> =
            answer.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
        let expected =
            [("call_0_0_terminal", r#"{"command":"ls"}"#), ("call_0_1_read_file", r#"{"path":"a"}"#)];
        assert_eq!(calls, expected);
        assert_eq!((deltas, answer.finish_reason.as_deref()), (vec![], Some("tool_calls")));
    })
    .await;
}

#[tokio::test]
async fn a_token_does_not_wait_for_the_next_one() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        let (sender, mut told) = mpsc::unbounded_channel();
        let call = tokio::task::spawn_local(async move {
            let mut tell = |delta| sender.send(delta).unwrap();
            ask_and_tell(&client, "@@gate one", &CancellationToken::new(), &mut tell).await
        });
        assert_eq!(within(told.recv()).await.unwrap(), "tok0 ");
        upstream.reached("one").await;
        upstream.open("one");
        assert_eq!(within(told.recv()).await.unwrap(), "tok1 ");
        assert_eq!(call.await.unwrap().unwrap().text, "tok0 tok1 ");
    })
    .await;
}

#[tokio::test]
async fn what_comes_at_once_is_handed_out_at_once() {
    local(async {
        let upstream = Upstream::start().await;
        let (deltas, end) = ask(&client(&upstream.url(), LONG), "@@burst 100").await;
        assert_eq!(deltas.concat(), end.unwrap().text);
        // One delta by the book; a few where the system cuts the write into several reads.
        assert!(deltas.len() < 10, "{deltas:?}");
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_call_ends_and_hangs_up() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        for (count, said) in [(1, "@@gate never"), (2, "@@hang"), (3, "@@no-head")] {
            let stop = CancellationToken::new();
            let stop_when_asked = async {
                upstream.asked(count).await;
                stop.cancel();
            };
            let mut tell = |_| {};
            let call = Box::pin(ask_and_tell(&client, said, &stop, &mut tell));
            let (end, ()) = tokio::join!(call, stop_when_asked);
            assert_eq!(end, Err(ModelError::Cancelled), "{said}");
            upstream.hung_up(count).await;
        }
    })
    .await;
}

#[tokio::test]
async fn more_streams_than_a_pool_has_by_default_run_at_once() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        let count = 150;
        let calls: Vec<_> = (0..count)
            .map(|_| {
                let client = client.clone();
                tokio::task::spawn_local(async move { ask(&client, "@@gate all").await.1 })
            })
            .collect();
        upstream.asked(count).await;
        upstream.open("all");
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().text, "tok0 tok1 ");
        }
    })
    .await;
}
