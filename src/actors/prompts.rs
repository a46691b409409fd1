//! Prompts in memory: the same text once, and which one a conversation without a name has.

use crate::{
    config::ProfileConfig,
    domain::{SessionId, SystemPrompt, Toolset},
    tools::PromptParts,
};
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Different texts that are held to be shared.
const TEXTS: usize = 16;
/// Conversations of one generation; two generations are remembered.
const GENERATION: usize = 512;

/// The prompts of one profile.
#[derive(Debug, Default)]
pub struct Prompts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What was built last, and of what.
    last: Option<(Made, SystemPrompt)>,
    /// The newest last.
    texts: Vec<SystemPrompt>,
    young: HashMap<SessionId, SystemPrompt>,
    old: HashMap<SessionId, SystemPrompt>,
}

/// All that a prompt is made of for a turn that may use every tool. Nothing in it is ever changed: what is the same object
/// is the same.
#[derive(Debug)]
pub struct Made {
    pub config: Arc<ProfileConfig>,
    pub toolset: Arc<Toolset>,
    pub parts: Arc<PromptParts>,
    pub model: String,
    /// Characters of a file: more, once the model's window is known.
    pub most: usize,
    /// Since 1970, in UTC.
    pub day: i64,
}

impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
            && Arc::ptr_eq(&self.toolset, &other.toolset)
            && Arc::ptr_eq(&self.parts, &other.parts)
            && (&self.model, self.most, self.day) == (&other.model, other.most, other.day)
    }
}

impl Prompts {
    /// The prompt that is made of this; built only if it is not the one that was built last.
    pub fn made(&self, of: Made, build: impl FnOnce() -> SystemPrompt) -> SystemPrompt {
        if let Some((_, prompt)) = self.lock().last.as_ref().filter(|(last, _)| *last == of) {
            return prompt.clone();
        }
        let prompt = build();
        self.lock().last = Some((of, prompt.clone()));
        prompt
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This text as a prompt; equal ones share their memory.
    #[must_use]
    pub fn of(&self, text: &str) -> SystemPrompt {
        let mut inner = self.lock();
        if let Some(known) = inner.texts.iter().find(|known| *known.text == *text) {
            return known.clone();
        }
        if inner.texts.len() >= TEXTS {
            inner.texts.remove(0);
        }
        let prompt = SystemPrompt::new(text);
        inner.texts.push(prompt.clone());
        prompt
    }

    /// What a conversation was begun with, if that was not too many conversations ago.
    #[must_use]
    pub fn recall(&self, session: &SessionId) -> Option<SystemPrompt> {
        let inner = self.lock();
        inner.young.get(session).or_else(|| inner.old.get(session)).cloned()
    }

    pub fn remember(&self, session: &SessionId, prompt: SystemPrompt) {
        let mut inner = self.lock();
        if inner.young.len() >= GENERATION {
            inner.old = mem::take(&mut inner.young);
        }
        inner.young.insert(session.clone(), prompt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_old_conversations_are_forgotten() {
        let prompts = Prompts::default();
        let (one, other) = (prompts.of("text"), prompts.of("text"));
        assert!(Arc::ptr_eq(&one.text, &other.text));
        let session = |n: usize| SessionId::parse(&format!("s-{n}")).unwrap();
        for n in 0..2 * GENERATION + 1 {
            prompts.remember(&session(n), one.clone());
        }
        assert_eq!(prompts.recall(&session(0)), None);
        assert_eq!(prompts.recall(&session(GENERATION)), Some(one.clone()));
        assert_eq!(prompts.recall(&session(2 * GENERATION)), Some(one));
    }
}
