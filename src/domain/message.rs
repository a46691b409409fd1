//! A conversation as the model and the store see it: the wire form of OpenAI's chat completions.

use serde::{Deserialize, Serialize};

/// One message. Serialises to the form that an upstream reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    System {
        content: String,
    },
    User {
        content: Content,
    },
    Assistant {
        /// Empty when the message only calls tools.
        content: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// What the model thought before it. Only an upstream that wants it gets it back.
        #[serde(default, rename = "reasoning_content", skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
    },
    Tool {
        tool_call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        content: String,
    },
}

impl Message {
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { content: Content::Text(text.into()) }
    }

    #[must_use]
    pub fn has_image(&self) -> bool {
        match self {
            Self::User { content } => content.has_image(),
            Self::System { .. } | Self::Assistant { .. } | Self::Tool { .. } => false,
        }
    }

    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::calling(text, Vec::new())
    }

    /// An answer that calls tools.
    #[must_use]
    pub fn calling(text: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self::Assistant { content: text.into(), tool_calls, reasoning: None }
    }
}

/// Text, or parts with images among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl Content {
    /// The text alone, parts joined by line breaks.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Parts(parts) => {
                let texts: Vec<&str> = parts
                    .iter()
                    .filter_map(|part| match part {
                        Part::Text { text } => Some(text.as_str()),
                        Part::ImageUrl { .. } => None,
                    })
                    .collect();
                texts.join("\n").into()
            }
        }
    }

    #[must_use]
    pub fn has_image(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Parts(parts) => parts.iter().any(|part| matches!(part, Part::ImageUrl { .. })),
        }
    }

    /// Whether a person would see anything in it.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        match self {
            Self::Text(text) => !text.trim().is_empty(),
            Self::Parts(parts) => parts.iter().any(|part| match part {
                Part::Text { text } => !text.trim().is_empty(),
                Part::ImageUrl { .. } => true,
            }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageUrl {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A call that the model asks for. `arguments` is the text that the model wrote: JSON, or not quite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// OpenAI nests name and arguments under `function`; we do not carry that shape around.
#[derive(Serialize, Deserialize)]
struct WireCall<'a> {
    id: std::borrow::Cow<'a, str>,
    #[serde(default = "function", rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    function: WireFunction<'a>,
}

#[derive(Serialize, Deserialize)]
struct WireFunction<'a> {
    name: std::borrow::Cow<'a, str>,
    #[serde(default)]
    arguments: std::borrow::Cow<'a, str>,
}

fn function() -> std::borrow::Cow<'static, str> {
    "function".into()
}

impl Serialize for ToolCall {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let function =
            WireFunction { name: self.name.as_str().into(), arguments: self.arguments.as_str().into() };
        WireCall { id: self.id.as_str().into(), kind: self::function(), function }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for ToolCall {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let WireCall { id, kind: _, function } = WireCall::deserialize(d)?;
        Ok(Self {
            id: id.into_owned(),
            name: function.name.into_owned(),
            arguments: function.arguments.into_owned(),
        })
    }
}
