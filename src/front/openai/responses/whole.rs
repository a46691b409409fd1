//! A response as one JSON object.

use super::{fold::Fold, frames::Unseen, object::State};
use crate::{
    domain::{Code, Event, Seq},
    front::{
        error::ApiError,
        openai::turn_end::{Failed, TurnEnd},
        reader::{self, Reader},
    },
    store::ToolResults,
};
use actix_web::{HttpResponse, HttpResponseBuilder, http::header, web};
use tokio_util::sync::CancellationToken;

/// A larger object is written on the blocking pool.
const INLINE: usize = 256 * 1024;

/// Waits for the turn's end.
///
/// # Errors
///
/// The key was revoked, the log cannot be read, or the turn failed before it began.
pub async fn at_its_end(
    mut reader: Reader,
    mut fold: Fold<ToolResults>,
    mut head: HttpResponseBuilder,
    revoked: &CancellationToken,
) -> Result<HttpResponse, ApiError> {
    let retry = follow(&mut reader, &mut fold, None, revoked).await?;
    if let (State::Failed { code, message }, false) = (fold.state(), fold.began()) {
        let error = ApiError::new(*code, message.clone());
        // Found when the conversation before it was read: a result in it that answers no call.
        return Err(if *code == Code::InvalidRequest { error.at("input") } else { error });
    }
    if let Some(retry) = retry {
        head.insert_header(("x-should-retry", if retry { "true" } else { "false" }));
    }
    json(head, fold).await
}

/// The response as far as it has come.
///
/// # Errors
///
/// The key was revoked, or the log cannot be read.
pub async fn as_it_stands(
    mut reader: Reader,
    mut fold: Fold<ToolResults>,
    head: HttpResponseBuilder,
    revoked: &CancellationToken,
) -> Result<HttpResponse, ApiError> {
    let known = reader.last()?;
    if known > Seq::default() {
        follow(&mut reader, &mut fold, Some(known), revoked).await?;
    }
    json(head, fold).await
}

/// As [`as_it_stands`], when the turn that somebody stopped is over.
///
/// # Errors
///
/// As [`as_it_stands`].
pub async fn when_stopped(
    mut reader: Reader,
    mut fold: Fold<ToolResults>,
    head: HttpResponseBuilder,
    revoked: &CancellationToken,
) -> Result<HttpResponse, ApiError> {
    follow(&mut reader, &mut fold, None, revoked).await?;
    json(head, fold).await
}

/// Folds events up to `upto`, or to the last one. For a turn that failed, whether the client may send it again.
async fn follow(
    reader: &mut Reader,
    fold: &mut Fold<ToolResults>,
    upto: Option<Seq>,
    revoked: &CancellationToken,
) -> Result<Option<bool>, ApiError> {
    loop {
        for logged in &reader::next(reader, revoked).await? {
            if fold.event(logged, &mut Unseen).is_break() {
                return Err(ApiError::new(Code::Internal, reader::GAP));
            }
            if logged.event.is_terminal() {
                return Ok(may_retry(&logged.event, fold.called()));
            }
            if upto.is_some_and(|upto| logged.seq >= upto) {
                return Ok(None);
            }
        }
    }
}

fn may_retry(event: &Event, called: bool) -> Option<bool> {
    match TurnEnd::of(event)? {
        TurnEnd::Failed(failed) => Some(Failed::should_retry(&failed, called)),
        TurnEnd::Answered { .. } => None,
    }
}

async fn json(mut head: HttpResponseBuilder, fold: Fold<ToolResults>) -> Result<HttpResponse, ApiError> {
    let bytes = if fold.weight() > INLINE {
        web::block(move || serde_json::to_vec(&fold.object())).await.map_err(ApiError::internal)?
    } else {
        serde_json::to_vec(&fold.object())
    };
    let bytes = bytes.map_err(ApiError::internal)?;
    Ok(head.insert_header((header::CONTENT_TYPE, "application/json")).body(bytes))
}
