//! What a failed call means, and what is to be done about it: two tables.
//!
//! | remedy | done by |
//! |---|---|
//! | again, another key, without a member or a limit | the client, within one call |
//! | another model | the turn, which asks the next of `fallback_providers` |

use super::{
    ModelError,
    members::{LIMIT, TOO_MUCH},
};
use crate::domain::Code;
use std::ops::RangeInclusive;

/// What an error means, whatever road it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The same request may succeed later.
    Passing,
    /// It said nothing for too long.
    Slow,
    RateLimited,
    /// The quota is used up: only paying, not waiting, helps.
    OutOfCredit,
    Unpaid,
    ContextTooLong,
    Blind,
    /// An image has more bytes or points than the model takes.
    BulkyImage,
    BadKey,
    NoSuchModel,
    /// A member of the request is none that this model takes.
    BadMember,
    Refused,
    Nonsense,
    Cancelled,
}

/// Something that may help. Each is tried only as long as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The same again, later.
    Again,
    /// At once, with another key of the same provider.
    AnotherKey,
    /// At once, without the member that is complained of.
    WithoutMember,
    /// At once, without the limit for the answer that nobody asked for.
    WithoutLimit,
    /// By whoever asked: with another provider, where the turn has one.
    AnotherModel,
}

/// What follows from a meaning.
pub(super) struct Rule {
    meaning: Meaning,
    pub(super) code: Code,
    /// Whether the client may try again.
    pub(super) retryable: bool,
    /// The first one that is possible is done.
    pub(super) remedies: &'static [Remedy],
}

use Remedy::{Again, AnotherKey, AnotherModel, WithoutLimit, WithoutMember};

#[rustfmt::skip]
const RULES: [Rule; 14] = [
    rule(Meaning::Passing,        Code::UpstreamError,         true,  &[Again, AnotherModel]),
    rule(Meaning::Slow,           Code::UpstreamTimeout,       true,  &[Again, AnotherModel]),
    rule(Meaning::RateLimited,    Code::UpstreamRateLimited,   true,  &[AnotherKey, AnotherModel, Again]),
    rule(Meaning::OutOfCredit,    Code::UpstreamRateLimited,   false, &[AnotherKey, AnotherModel]),
    rule(Meaning::Unpaid,         Code::UpstreamError,         false, &[AnotherKey, AnotherModel]),
    rule(Meaning::ContextTooLong, Code::ContextLengthExceeded, false, &[WithoutLimit]),
    rule(Meaning::Blind,          Code::VisionUnsupported,     false, &[]),
    rule(Meaning::BadKey,         Code::UpstreamError,         false, &[AnotherKey, AnotherModel]),
    rule(Meaning::NoSuchModel,    Code::UpstreamError,         false, &[AnotherModel]),
    rule(Meaning::BadMember,      Code::UpstreamError,         false, &[WithoutMember]),
    rule(Meaning::Refused,        Code::UpstreamError,         false, &[]),
    rule(Meaning::Nonsense,       Code::UpstreamError,         false, &[AnotherModel]),
    rule(Meaning::Cancelled,      Code::RunCancelled,          false, &[]),
    rule(Meaning::BulkyImage,     Code::ImageTooLarge,         false, &[]),
];

const fn rule(meaning: Meaning, code: Code, retryable: bool, remedies: &'static [Remedy]) -> Rule {
    Rule { meaning, code, retryable, remedies }
}

impl Meaning {
    pub(super) fn rule(self) -> &'static Rule {
        RULES.iter().find(|rule| rule.meaning == self).unwrap_or(&RULES[10])
    }
}

/// How a server says something: with a status of this range and, where they are named, one of these words in its message or
/// its code, one of those beside it, and none of the last.
struct Sign {
    status: RangeInclusive<u16>,
    words: &'static [&'static str],
    also: &'static [&'static str],
    never: &'static [&'static str],
    meaning: Meaning,
}

/// Words by which servers say that the conversation does not fit into the model's window.
const TOO_LONG: &[&str] = &[
    "context_length",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "input is too long",
    "input length",
    "token limit",
    "reduce the length of the messages",
];
/// That a model takes no images. Of an image that is wrong in itself servers speak otherwise.
const IMAGES: &[&str] = &["image", "vision", "multimodal"];
const NOT_TAKEN: &[&str] = &["support", "not allowed", "does not accept", "unknown variant", "text only"];
const ONE_IMAGE: &[&str] = &["format", "mime", "download", "too large"];
const TOO_BIG: &[&str] = &["too large", "too big", "exceed", "maximum size", "max allowed size"];
/// That there is no such member for this model.
const BAD_MEMBER: &[&str] = &[
    "unsupported parameter",
    "unsupported_parameter",
    "unsupported value",
    "unknown parameter",
    "unrecognized request argument",
    "not supported with this model",
    "not supported by this model",
    "extra inputs are not permitted",
];

/// The first that fits counts. A status that the head had, or that an error within the stream names.
#[rustfmt::skip]
const SIGNS: &[Sign] = &[
    sign(429..=429, &["insufficient_quota"], &[], &[], Meaning::OutOfCredit),
    sign(429..=429, &[],        &[],       &[],       Meaning::RateLimited),
    sign(402..=402, &["try again", "rate limit", "too many requests"], &[], &[], Meaning::RateLimited),
    sign(402..=402, &[],        &[],       &[],       Meaning::Unpaid),
    // No summary makes an image smaller.
    sign(400..=422, &["image"], TOO_BIG,  TOO_LONG,  Meaning::BulkyImage),
    sign(413..=413, &[],        &[],       &[],       Meaning::ContextTooLong),
    sign(400..=499, TOO_LONG,   &[],       &[],       Meaning::ContextTooLong),
    sign(400..=400, IMAGES,     NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    sign(404..=404, IMAGES,     NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    sign(415..=415, IMAGES,     NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    sign(422..=422, IMAGES,     NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    // llama.cpp's server says so with a 500.
    sign(500..=501, IMAGES,     NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    sign(401..=401, &[],        &[],       &[],       Meaning::BadKey),
    sign(403..=403, &[],        &[],       &[],       Meaning::BadKey),
    sign(404..=404, &[],        &[],       &[],       Meaning::NoSuchModel),
    sign(408..=408, &[],        &[],       &[],       Meaning::Passing),
    sign(400..=400, &LIMIT,     TOO_MUCH,  &[],       Meaning::BadMember),
    sign(422..=422, &LIMIT,     TOO_MUCH,  &[],       Meaning::BadMember),
    sign(400..=400, BAD_MEMBER, &[],       &[],       Meaning::BadMember),
    sign(422..=422, BAD_MEMBER, &[],       &[],       Meaning::BadMember),
    sign(500..=599, &[],        &[],       &[],       Meaning::Passing),
    sign(0..=u16::MAX, &[],     &[],       &[],       Meaning::Refused),
];

/// An error within the stream that names no status: the head said 200 already.
#[rustfmt::skip]
const IN_STREAM: &[Sign] = &[
    sign(0..=0, TOO_LONG,       &[],       &[],       Meaning::ContextTooLong),
    sign(0..=0, &["image"],     TOO_BIG,  &[],       Meaning::BulkyImage),
    sign(0..=0, IMAGES,         NOT_TAKEN, ONE_IMAGE, Meaning::Blind),
    sign(0..=0, &["insufficient_quota"], &[], &[],    Meaning::OutOfCredit),
    sign(0..=0, &["invalid_api_key", "authentication_error"], &[], &[], Meaning::BadKey),
    sign(0..=0, &["rate_limit"], &[],      &[],       Meaning::RateLimited),
    sign(0..=0, &LIMIT,         TOO_MUCH,  &[],       Meaning::BadMember),
    sign(0..=0, BAD_MEMBER,     &[],       &[],       Meaning::BadMember),
    sign(0..=0, &["invalid_"],  &[],       &[],       Meaning::Refused),
    sign(0..=0, &[],            &[],       &[],       Meaning::Passing),
];

const fn sign(
    status: RangeInclusive<u16>,
    words: &'static [&'static str],
    also: &'static [&'static str],
    never: &'static [&'static str],
    meaning: Meaning,
) -> Sign {
    Sign { status, words, also, never, meaning }
}

pub(super) fn meaning(error: &ModelError) -> Meaning {
    match error {
        ModelError::Connection { .. } => Meaning::Passing,
        ModelError::Timeout { .. } => Meaning::Slow,
        ModelError::Garbage { .. } => Meaning::Nonsense,
        ModelError::Cancelled => Meaning::Cancelled,
        ModelError::Status { status, message, code, .. } => read(SIGNS, *status, message, code.as_deref()),
        ModelError::Upstream { message, code, .. } => match code.as_deref().map(str::parse) {
            Some(Ok(status @ 400..=599)) => read(SIGNS, status, message, None),
            Some(_) | None => read(IN_STREAM, 0, message, code.as_deref()),
        },
    }
}

fn read(signs: &[Sign], status: u16, message: &str, code: Option<&str>) -> Meaning {
    let text = format!("{message}\n{}", code.unwrap_or_default()).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let fits = |sign: &&Sign| {
        sign.status.contains(&status)
            && (sign.words.is_empty() || has(sign.words))
            && (sign.also.is_empty() || has(sign.also))
            && !has(sign.never)
    };
    signs.iter().find(fits).map_or(Meaning::Refused, |sign| sign.meaning)
}
