//! The turn's system prompt: built once per session, and the same bytes in each of its turns, also after a restart, on
//! another day, and when memory, skills or settings have changed meanwhile. The next session has what is new, and so has
//! this one once its older messages gave way to a summary: then no upstream has the old beginning in its cache any more.

use super::drive::{Break, Driver};
use crate::{
    actors::prompts::Made,
    agent::{Caps, Prompt, Remembered, SkillLine},
    config::{ProfileConfig, PromptConfig},
    domain::{DAY, Message, PromptId, SystemPrompt, ToolChoice, Toolset, now},
    store::{Change, StoreError},
    tools::{PromptParts, Recalled, Skill, SkillState},
};
use std::{sync::Arc, time::Instant};

impl Driver {
    /// The text of the turn's prompt. Found at the first model call and not before: a turn that goes on with a question
    /// asks it at once.
    pub(super) async fn system(
        &mut self,
        toolset: &Arc<Toolset>,
        allowed: Option<&[String]>,
    ) -> Result<Arc<str>, Break> {
        if let Some(prompt) = &self.prompt {
            return Ok(prompt.text.clone());
        }
        let mind = self.thinker.clone();
        let model = mind.as_ref().map_or("", |mind| &mind.model);
        let prompt = self.session_prompt(model, toolset, allowed).await?;
        Ok(self.prompt.insert(prompt).text.clone())
    }

    /// The session's prompt: the one that it began with, else a new one.
    async fn session_prompt(
        &self,
        model: &str,
        toolset: &Arc<Toolset>,
        allowed: Option<&[String]>,
    ) -> Result<SystemPrompt, Break> {
        if self.room.new_prompt {
            return Ok(self.begin_with(model, toolset, allowed).await);
        }
        // A run that goes on after a restart: in the middle of a turn nothing may change.
        if let Some(id) = self.log.see(|record| record.prompt.clone())
            && let Some(prompt) = self.stored(Wanted::Prompt(id)).await?
        {
            return Ok(prompt);
        }
        let session = &self.spec.session;
        let begins = !session.named && !self.goes_on();
        if !begins {
            let known = (!session.named).then(|| self.tenant.prompts().recall(&session.id)).flatten();
            let known = match known {
                Some(known) => Some(known),
                None => self.stored(Wanted::Session).await?,
            };
            if let Some(known) = known {
                return Ok(known);
            }
        }
        Ok(self.begin_with(model, toolset, allowed).await)
    }

    /// A new prompt, for the turns to come too.
    async fn begin_with(
        &self,
        model: &str,
        toolset: &Arc<Toolset>,
        allowed: Option<&[String]>,
    ) -> SystemPrompt {
        let prompt = self.new_prompt(model, toolset, allowed).await;
        let session = &self.spec.session;
        if !session.named {
            self.tenant.prompts().remember(&session.id, prompt.clone());
        }
        prompt
    }

    /// The next call has a prompt of what there is then.
    pub(super) fn forget_prompt(&mut self) {
        self.prompt = None;
        self.room.new_prompt = true;
    }

    /// Whether something was answered before this turn. A chat that begins pays for no look into the store.
    fn goes_on(&self) -> bool {
        let answered = |message: &Message| matches!(message, Message::Assistant { .. });
        self.spec.after.is_some() || self.loaded.iter().chain(&self.spec.history).any(answered)
    }

    async fn stored(&self, wanted: Wanted) -> Result<Option<SystemPrompt>, Break> {
        let (store, session) = (self.store.clone(), self.spec.session.id.clone());
        let read = tokio::task::spawn_blocking(move || {
            let id = match wanted {
                Wanted::Prompt(id) => Some(id),
                Wanted::Session => store.session(&session)?.and_then(|header| header.prompt),
            };
            // One that is gone is built anew.
            id.map_or(Ok(None), |id| store.prompt(&id))
        });
        let text = read.await.map_err(|error| StoreError::Io(error.to_string()))??;
        Ok(text.map(|text| self.tenant.prompts().of(&text)))
    }

    /// A prompt of what there is now.
    async fn new_prompt(
        &self,
        model: &str,
        toolset: &Arc<Toolset>,
        allowed: Option<&[String]>,
    ) -> SystemPrompt {
        let config = self.tenant.config();
        // What the turn itself has done since it was taken on may have changed them.
        let untouched = !self.room.new_prompt && self.turn.messages().is_empty();
        let since = self.since.filter(|_| untouched).unwrap_or_else(Instant::now);
        let parts = self.kit.toolbox.prompt_parts(self.spec.session_key.as_deref(), since).await;
        let Caps { file: most, .. } = self.caps();
        let client = &self.spec.client_tools;
        let usual = allowed.is_none() && client.definitions.is_empty() && self.spec.parent.is_none();
        let build = || {
            let offered = |name: &&str| {
                allowed.is_none_or(|allowed| allowed.iter().any(|one| one == name)) && !client.runs(name)
            };
            let ours = matches!(client.choice, ToolChoice::Auto | ToolChoice::None);
            let names = toolset.specs().iter().map(|spec| &*spec.name).filter(|_| ours);
            let tools: Vec<&str> = names.filter(offered).collect();
            self.build(&config, &parts, &tools, (model, most))
        };
        if !usual {
            return build();
        }
        let of = Made {
            config: config.clone(),
            toolset: toolset.clone(),
            parts: parts.clone(),
            model: model.to_owned(),
            most,
            day: now().div_euclid(DAY),
        };
        self.tenant.prompts().made(of, build)
    }

    fn build(
        &self,
        config: &ProfileConfig,
        parts: &PromptParts,
        tools: &[&str],
        (model, most): (&str, usize),
    ) -> SystemPrompt {
        let skills: Vec<SkillLine<'_>> = parts.skills.iter().filter(is_used).map(line).collect();
        let workspace = config.workspace.display().to_string();
        // A child works for its parent, not for the person.
        let remembers = self.spec.parent.is_none();
        let PromptConfig { hint, more_hint, personality } = &config.prompt;
        let text = Prompt {
            soul: parts.soul.as_deref(),
            personality: personality.as_ref().filter(|_| remembers).map(|chosen| chosen.text.as_str()),
            tools,
            skills: &skills,
            context: parts.context.as_ref().map(|found| (found.name.as_str(), found.text.as_str())),
            most,
            workspace: &workspace,
            profile: config.name.as_str(),
            hint: hint.as_deref(),
            more_hint: more_hint.as_deref(),
            memory: parts.memory.as_ref().filter(|_| remembers).map(remembered),
            user: parts.user.as_ref().filter(|_| remembers).map(remembered),
            model,
            now: now(),
        }
        .render();
        self.tenant.prompts().of(&self.tenant.redactor().clean(&text))
    }

    /// Has the run keep its prompt, so that it can go on with it after a restart.
    pub(super) fn keep_prompt(&mut self) {
        let kept = self.log.see(|record| record.prompt.clone());
        if let Some(prompt) = self.prompt.clone().filter(|prompt| kept.as_ref() != Some(&prompt.id)) {
            self.log.set_prompt(prompt.id.clone());
            self.changes.push(Change::Prompt(prompt));
        }
    }
}

/// Which prompt is looked for.
enum Wanted {
    Prompt(PromptId),
    /// That of the turn's session.
    Session,
}

/// What a person has pinned and somebody has changed is not used.
fn is_used(skill: &&Skill) -> bool {
    skill.state != SkillState::Changed
}

fn line(skill: &Skill) -> SkillLine<'_> {
    let Skill { category, name, description, .. } = skill;
    SkillLine { category: category.as_deref(), name, description }
}

fn remembered(recalled: &Recalled) -> Remembered<'_> {
    Remembered { usage: &recalled.usage, text: &recalled.text }
}
