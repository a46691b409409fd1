//! What the front may ask a profile about its responses.

use super::ProfileError;
use crate::{
    domain::{ResponseId, ResponseRecord, RunRecord, RunSpec},
    store::EventCursor,
};
use actix::Message;

/// Query: a stored response with its run, and a reader of that run's log from its beginning.
#[derive(Debug, Message)]
#[rtype(result = "Result<FoundResponse, ProfileError>")]
pub struct GetResponse(pub ResponseId);

/// A response that can be shown.
pub struct FoundResponse {
    pub response: ResponseRecord,
    pub run: RunRecord,
    pub events: EventCursor,
}

/// Query: what a response was asked.
#[derive(Debug, Message)]
#[rtype(result = "Result<ResponseInput, ProfileError>")]
pub struct GetResponseInput(pub ResponseId);

#[derive(Debug)]
pub struct ResponseInput {
    pub response: ResponseRecord,
    pub spec: RunSpec,
}

/// Command: forget a response. A turn that still goes on is stopped: nobody could read it. Answers when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ProfileError>")]
pub struct DeleteResponse(pub ResponseId);
