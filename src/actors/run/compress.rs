//! Making room: the older part of a conversation gives way to a summary.
//!
//! | cause | when |
//! |---|---|
//! | threshold | before a call, when what would be sent is guessed to be near the window; what the upstream counted for the call before sets the scale of the guess |
//! | overflow | the upstream says that it is too long |
//! | asked | a turn of a session that says `/compress` |
//!
//! All messages stay in the session. That it goes on from the summary is written with the event that tells of it; where the
//! summary covers messages of the turn itself, with these. A crash in between costs the summary, and nothing else.

use super::{
    drive::{Break, Driver},
    finish::End,
};
use crate::{
    agent::{
        Offer,
        context::{self, Cut, Stays, Told},
    },
    config::CompressionConfig,
    domain::{
        Author, Cause, Code, Compressed, Event, Failure, Finish, Message, Summary, brings_foreign_text, now,
    },
    model::{Asked, ModelClient, ModelError},
    store::{Change, SessionSummary},
};

/// In one turn: a conversation that is still too long after these will not get shorter.
const ROUNDS: u32 = 3;
/// Conversations of less than this fit into any window, and are not even compared with it.
const SMALL: u64 = 4_000;
/// Letters of the record for the helper, or of an extract, per token of the threshold.
const LETTERS: u64 = 2;

/// What a summary is to be made of, as long as the conversation is not touched.
struct Work {
    cut: Cut,
    question: String,
    extract: String,
    /// What is carried over as it is.
    tasks: Option<String>,
    strangers: bool,
    before: usize,
}

impl Driver {
    /// Tokens of what every call of the turn begins with, about.
    pub(super) fn fixed(&self, system: &str, offer: Option<&Offer<'_>>) -> u64 {
        let texts = [Some(system), self.session_system.as_deref(), self.spec.system.as_deref()];
        let bytes: usize = texts.into_iter().flatten().map(str::len).sum();
        (bytes + offer.map_or(0, |offer| offer.tools.len())) as u64 / 4
    }

    /// Compresses before a call when the conversation is near the window; whether it did. `fixed`: tokens of prompt and tools.
    pub(super) async fn make_room(&mut self, mind: &Asked<ModelClient>, fixed: u64) -> Result<bool, Break> {
        let guessed = fixed + self.shown_tokens();
        self.room.guessed = guessed;
        let config = self.tenant.config();
        if !config.compression.enabled || guessed < SMALL || self.room.rounds >= ROUNDS {
            return Ok(false);
        }
        let limit = self.limit(mind, &config.compression);
        if self.room.scale.apply(guessed) < limit {
            return Ok(false);
        }
        let done = Box::pin(self.compress(mind, Cause::Threshold, limit, None)).await?;
        self.room.guessed = fixed + self.shown_tokens();
        Ok(done)
    }

    /// The call failed because the conversation is too long: whether it was made shorter, so that it can be asked again.
    pub(super) async fn overflowed(
        &mut self,
        mind: &Asked<ModelClient>,
        error: &ModelError,
    ) -> Result<bool, Break> {
        let config = self.tenant.config();
        if error.failure().code != Code::ContextLengthExceeded || !config.compression.enabled {
            return Ok(false);
        }
        let tokens = self.room.scale.apply(self.room.guessed);
        // Whatever we take the window for, it is smaller than this.
        let limit = self.limit(mind, &config.compression).min(tokens / 4 * 3);
        if self.room.rounds < ROUNDS && Box::pin(self.compress(mind, Cause::Overflow, limit, None)).await? {
            return Ok(true);
        }
        self.asked_model(Some(Code::ContextLengthExceeded));
        let text =
            format!("Context length exceeded (about {tokens} tokens). Cannot compress further. {error}");
        Err(Break::Failed(Failure::new(Code::ContextLengthExceeded, text)))
    }

    /// A turn that says `/compress`, with or without what to look to.
    pub(super) async fn compress_now(&mut self, focus: &str) -> Result<End, Break> {
        let Some(mind) = self.thinker.clone() else { return Ok(End::Completed(Finish::Stop)) };
        // The command itself is no part of the conversation.
        self.opening.clear();
        let config = self.tenant.config();
        let limit = self.limit(&mind, &config.compression).min(self.shown_tokens());
        let focus = Some(focus).filter(|focus| !focus.is_empty());
        let before: usize = self.shown().iter().map(|part| part.len()).sum();
        let done = Box::pin(self.compress(&mind, Cause::Asked, limit, focus)).await?;
        let after: usize = self.shown().iter().map(|part| part.len()).sum();
        let said = if done {
            format!("Compressed: of {before} messages, {after} are shown from now on, a summary among them.")
        } else {
            format!("There is nothing to compress: the session shows {before} messages.")
        };
        self.log.delta(Event::MessageDelta { delta: said })?;
        self.log.end_text()?;
        Ok(End::Completed(Finish::Stop))
    }

    /// Tokens from which on the conversation is too long.
    fn limit(&self, mind: &Asked<ModelClient>, rules: &CompressionConfig) -> u64 {
        let window = self.kit.upstreams.window(&mind.provider, &mind.model);
        let answer = self.spec.sampling.answer_limit().or(mind.max_tokens);
        context::threshold(window, answer.unwrap_or(0), rules.threshold)
    }

    /// Whether something gave way.
    async fn compress(
        &mut self,
        mind: &Asked<ModelClient>,
        cause: Cause,
        limit: u64,
        focus: Option<&str>,
    ) -> Result<bool, Break> {
        self.room.rounds += 1;
        let config = self.tenant.config();
        let tokens_before = self.shown_tokens();
        let Some(work) = self.plan_summary(&config.compression, limit, focus) else {
            return Ok(false);
        };
        let (mut text, author) = match self.helped(mind, &work.question).await? {
            Some(text) => (text, Author::Model),
            None => (work.extract, Author::Extract),
        };
        text.extend(work.tasks);
        self.tenant.redactor().clean_text(&mut text);
        let summary = self.put_in(&work.cut, text, author, work.strangers);
        self.forget_prompt();
        let kept = self.keep(&summary);
        let messages_after = self.shown().iter().map(|part| part.len()).sum();
        let scale = self.room.scale;
        let event = Event::ContextCompressed(Compressed {
            cause,
            author,
            messages_before: work.before,
            messages_after,
            tokens_before: scale.apply(tokens_before),
            tokens_after: scale.apply(self.shown_tokens()),
            summary: kept.then_some(summary.number),
        });
        let committed = self.log.append(event, std::mem::take(&mut self.changes))?;
        if cause == Cause::Asked {
            // Nothing else comes of this turn: it is told when it is so.
            committed.await?;
        }
        Ok(true)
    }

    fn plan_summary(&self, rules: &CompressionConfig, limit: u64, focus: Option<&str>) -> Option<Work> {
        let shown: Vec<&Message> = self.shown().into_iter().flatten().collect();
        let made = self.room.summary.as_ref().map_or(0, |summary| summary.number.max(1));
        // Of a conversation that was summed up before, its beginning says less and less.
        let first = rules.protect_first >> made.min(31);
        let stays = Stays {
            first: self.room.summary_at.map_or(first, |at| first.min(at)),
            last: rules.protect_last,
            tokens: rules.tail(limit),
        };
        let cut = Cut::of(&shown, self.room.old, self.room.summary_at, stays)?;
        let covered: Vec<&Message> = shown[cut.head..cut.tail].to_vec();
        let room = usize::try_from(limit.saturating_mul(LETTERS)).unwrap_or(usize::MAX);
        let told = Told { messages: &covered, focus, room };
        let strangers = self.room.summary.as_ref().is_some_and(|summary| summary.strangers);
        Some(Work {
            cut,
            question: context::question(told),
            extract: context::extract(&covered, room / 8),
            tasks: context::open_tasks(&covered, &shown[cut.tail..]),
            strangers: strangers || covered.iter().any(|message| is_of_strangers(message)),
            before: shown.len(),
        })
    }

    /// Has the summary stand where the cut is.
    fn put_in(&mut self, cut: &Cut, text: String, author: Author, strangers: bool) -> Summary {
        let base = self.room.base.len();
        let conversation = |shown: usize| self.room.covered + shown - base;
        let covered = conversation(cut.tail);
        let kept = cut.kept.map(|at| match at.checked_sub(base) {
            Some(_) => self.number_of(conversation(at)),
            None => self.room.summary.as_ref().and_then(|summary| summary.kept).unwrap_or_default(),
        });
        let summary = Summary {
            number: self.room.summaries + 1,
            head: cut.head as u64,
            upto: self.number_of(covered - 1),
            kept,
            text,
            author,
            strangers,
            at: now(),
        };
        let shown: Vec<&Message> = self.shown().into_iter().flatten().collect();
        let head = shown[..cut.head].iter().copied().cloned();
        let kept = cut.kept.map(|at| shown[at].clone());
        let base: Vec<Message> = head.chain([context::message(&summary)]).chain(kept).collect();
        self.room.old = base.len();
        self.room.summary_at = Some(cut.head);
        (self.room.base, self.room.covered) = (base, covered);
        self.room.summary = Some(summary.clone());
        self.room.recount();
        summary
    }

    /// Has the session go on from it, now or with the turn's messages; whether it does.
    fn keep(&mut self, summary: &Summary) -> bool {
        if !self.is_sessions() || self.spec.parent.is_some() {
            return false;
        }
        if summary.upto > self.room.total {
            self.room.pending = Some(summary.clone());
        } else {
            self.room.summaries = summary.number;
            let session = self.spec.session.id.clone();
            self.changes.push(Change::SessionSummary(SessionSummary { session, summary: summary.clone() }));
        }
        true
    }
}

/// A result that somebody else wrote: what is made of it is no more to be trusted.
fn is_of_strangers(message: &Message) -> bool {
    matches!(message, Message::Tool { name: Some(name), .. } if brings_foreign_text(name))
}
