//! The members of OpenAI's stream events, less name and number.

use super::{
    items::{Item, Piece},
    object::Object,
};
use serde::Serialize;

/// What becomes of the steps.
pub trait Sink {
    /// An event of OpenAI's grammar, by its name and its members.
    fn frame(&mut self, name: &'static str, members: &impl Serialize);
}

/// For whoever wants only the result.
pub struct Unseen;

impl Sink for Unseen {
    fn frame(&mut self, _: &'static str, _: &impl Serialize) {}
}

#[derive(Serialize)]
pub struct Whole<'a> {
    pub response: Object<'a>,
}

#[derive(Serialize)]
pub struct Placed<'a> {
    pub output_index: usize,
    pub item: &'a Item,
}

/// Members of what happens within an item.
#[derive(Serialize)]
pub struct Within<'a, M> {
    pub item_id: &'a str,
    pub output_index: usize,
    #[serde(flatten)]
    pub members: M,
}

#[derive(Serialize)]
pub struct PartOf<'a> {
    pub content_index: usize,
    pub part: &'a Piece,
}

#[derive(Serialize)]
pub struct TextDelta<'a> {
    pub content_index: usize,
    pub delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<[(); 0]>,
}

#[derive(Serialize)]
pub struct TextDone<'a> {
    pub content_index: usize,
    pub text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<[(); 0]>,
}

#[derive(Serialize)]
pub struct Delta<'a> {
    pub delta: &'a str,
}

#[derive(Serialize)]
pub struct Arguments<'a> {
    pub name: &'a str,
    pub arguments: &'a str,
}

#[derive(Serialize)]
pub struct Nothing {}

/// Why a stream ends that was not to end.
#[derive(Serialize)]
pub struct Broken<'a> {
    pub code: &'static str,
    pub message: &'a str,
    pub param: Option<&'static str>,
}
