//! What fails and how, and what is tried again.

use super::{LONG, SHORT, ask, ask_and_tell, client, local};
use crate::support::upstream::Upstream;
use hermes_gateway::{domain::Code, model::ModelError};
use std::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn each_failure_has_its_name_and_its_number_of_attempts() {
    #[rustfmt::skip]
    const CASES: &[(&str, usize, Code, &str)] = &[
        ("@@status 400",            1, Code::UpstreamError, "The upstream answered 400: scripted failure 400"),
        ("@@status 401",            1, Code::UpstreamError, "The upstream answered 401: scripted failure 401 (check"),
        ("@@status 404",            1, Code::UpstreamError, "The upstream answered 404"),
        ("@@status 413",            1, Code::ContextLengthExceeded, "The upstream answered 413"),
        ("@@status 302",            1, Code::UpstreamError, "The upstream answered 302"),
        ("@@status 429",            3, Code::UpstreamRateLimited, "The upstream answered 429"),
        ("@@status 500",            3, Code::UpstreamError, "The upstream answered 500: scripted failure 500"),
        ("@@status 429 3600",       1, Code::UpstreamRateLimited, "The upstream answered 429"),
        ("@@cut-head 9",            3, Code::UpstreamError, "The upstream closed the connection before it answered"),
        ("@@drop 0",                3, Code::UpstreamError, "The upstream closed the connection before its answer was whole"),
        ("@@drop 2",                1, Code::UpstreamError, "The upstream closed the connection before its answer was whole"),
        ("@@garbage",               1, Code::UpstreamError, "The upstream sent something that is no event stream"),
        ("@@bigline",               1, Code::UpstreamError, "The upstream sent an event of more than 1048576 bytes"),
        ("@@midstream-error",       1, Code::UpstreamError, "The upstream broke off with an error: scripted error"),
        ("@@midstream-error 503",   3, Code::UpstreamError, "The upstream broke off with an error: scripted"),
        ("@@midstream-error 429",   3, Code::UpstreamRateLimited, "The upstream broke off with an error"),
    ];
    local(async {
        let upstream = Upstream::start().await;
        for &(said, attempts, code, message) in CASES {
            // One that keeps no connection of the case before, whose end would cost no attempt.
            let client = client(&upstream.url(), LONG);
            let before = upstream.requests().len();
            let (_, end) = ask(&client, said).await;
            let failure = end.expect_err(said).failure();
            assert_eq!(failure.code, code, "{said}: {}", failure.message);
            assert!(failure.message.starts_with(message), "{said}: {}", failure.message);
            assert_eq!(upstream.requests().len() - before, attempts, "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn silence_before_any_token_is_asked_once_more_and_is_then_a_timeout() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), SHORT);
        let cases = [
            ("@@no-head", "The upstream did not begin to answer within 300ms."),
            ("@@hang", "The upstream fell silent within its answer for 300ms."),
        ];
        for (said, message) in cases {
            let (_, end) = ask(&client, said).await;
            let failure = end.expect_err(said).failure();
            assert_eq!((failure.code, failure.message.as_str()), (Code::UpstreamTimeout, message), "{said}");
        }
        assert_eq!(upstream.requests().len(), 2 * cases.len());
        upstream.hung_up(2 * cases.len()).await;
        let (_, end) = ask(&client, "@@silent 1").await;
        assert_eq!(end.unwrap().text, "You said: @@silent 1");
    })
    .await;
}

#[tokio::test]
async fn silence_after_a_token_is_not_asked_again() {
    local(async {
        let upstream = Upstream::start().await;
        let (deltas, end) = ask(&client(&upstream.url(), SHORT), "@@gate never").await;
        assert_eq!(deltas.concat(), "tok0 ");
        let error = end.unwrap_err();
        assert!(matches!(error, ModelError::Timeout { partial: true, .. }), "{error:?}");
        assert_eq!(upstream.requests().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_cut_is_asked_for_again_since_nobody_has_seen_any_of_it() {
    local(async {
        let upstream = Upstream::start().await;
        let (deltas, end) = ask(&client(&upstream.url(), LONG), "@@drop-call 2").await;
        assert!(deltas.is_empty(), "{deltas:?}");
        let [call] = &end.unwrap().tool_calls[..] else { panic!("one call") };
        assert_eq!(call.arguments, r#"{"command":"echo whole"}"#);
        assert_eq!(upstream.requests().len(), 3);
        let (_, end) = ask(&client(&upstream.url(), LONG), "@@drop-call 9").await;
        assert!(!end.unwrap_err().is_partial());
        assert_eq!(upstream.requests().len(), 6, "within the bounds of any other cut");
    })
    .await;
}

#[tokio::test]
async fn what_passes_is_not_seen() {
    local(async {
        let upstream = Upstream::start().await;
        for said in ["@@flaky 2 503", "@@flaky 2 429", "@@cut-head 2"] {
            // A new client: the first connection of a pool cannot be a kept one.
            let (_, end) = ask(&client(&upstream.url(), LONG), said).await;
            assert_eq!(end.unwrap().text, format!("You said: {said}"));
        }
        assert_eq!(upstream.requests().len(), 9);
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_attempt() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        assert_eq!(ask(&client, "@@close-next").await.1.unwrap().text, "Still here.");

        // The kept connection breaks, then two attempts fail, and the third still stands.
        let (_, end) = ask(&client, "@@flaky 3 503").await;
        assert_eq!(end.unwrap().text, "You said: @@flaky 3 503");
        assert_eq!(upstream.requests().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn text_before_a_failure_was_handed_out() {
    local(async {
        let upstream = Upstream::start().await;
        let client = client(&upstream.url(), LONG);
        for (said, text) in [("@@drop 2", "tok0 tok1 "), ("@@midstream-error", "tok0 ")] {
            let (deltas, end) = ask(&client, said).await;
            assert_eq!(deltas.concat(), text, "{said}");
            assert!(end.unwrap_err().is_partial(), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_the_wait_between_two_attempts() {
    local(async {
        let upstream = Upstream::start().await;
        let (client, stop) = (client(&upstream.url(), LONG), CancellationToken::new());
        let stop_when_asked = async {
            upstream.asked(1).await;
            stop.cancel();
        };
        // The upstream asks for a wait that is longer than the test's patience.
        let mut tell = |_| {};
        let call = ask_and_tell(&client, "@@status 503 50", &stop, &mut tell);
        let (end, ()) = tokio::join!(call, stop_when_asked);
        assert_eq!(end, Err(ModelError::Cancelled));
    })
    .await;
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_address_are_named() {
    local(async {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let cases = [
            (format!("http://{free}"), "The connection to the upstream was refused"),
            (format!("https://{free}"), "The connection to the upstream was refused"),
            ("localhost:1".to_owned(), "`model.base_url` is `localhost:1`"),
        ];
        for (base_url, message) in cases {
            let failure = ask(&client(&base_url, LONG), "hello").await.1.unwrap_err().failure();
            assert_eq!(failure.code, Code::UpstreamError);
            assert!(failure.message.starts_with(message), "{base_url}: {}", failure.message);
        }
    })
    .await;
}

#[tokio::test]
async fn https_to_a_server_without_tls_fails_without_a_panic() {
    local(async {
        let upstream = Upstream::start().await;
        let base_url = upstream.url().replace("http://", "https://");
        let failure = ask(&client(&base_url, LONG), "hello").await.1.unwrap_err().failure();
        assert_eq!(failure.code, Code::UpstreamError);
        let expected = "The upstream does not speak TLS with us";
        assert!(failure.message.starts_with(expected), "{}", failure.message);
    })
    .await;
}
