//! What a turn leaves in its session: its messages, its prompt, and sums of both in the header.

use super::{
    SessionHeader, SessionSummary,
    row::Row,
    rows, summary,
    writing::{Draft, Sessions, fresh},
};
use crate::{
    domain::{Millis, SystemPrompt, both, now},
    store::{
        SessionAppend, StoreError, codec, index,
        prompts::{self, StoredPrompt},
    },
};

impl Sessions {
    /// The messages of a turn. Makes the session if it is not there. `unlisted`: nothing says yet that the run is the
    /// session's.
    pub(in crate::store) fn append(
        &mut self,
        draft: &mut Draft<'_>,
        append: &SessionAppend,
        unlisted: bool,
    ) -> Result<(), StoreError> {
        let id = &append.session.id;
        let at = now();
        let slot = &mut self.touch(draft.database, id)?.now;
        let begins = slot.is_none();
        let header = slot.get_or_insert_with(|| SessionHeader {
            named: append.session.named,
            source: append.source.to_owned(),
            ..fresh(id.clone(), append.model.clone(), at)
        });
        if unlisted && begins {
            // Most chats are one turn long, and need no index for that.
            header.first_run = Some(append.run_id);
        } else if unlisted {
            draft.put(index::session_run(id, append.run_id), &())?;
        }
        let last = append.messages.len().saturating_sub(1);
        let row = |(index, message)| {
            codec::to_json(&Row {
                message,
                at: if index == 0 { append.began_at } else { at },
                finish: append.finish.filter(|_| index == last),
            })
        };
        let rows = append.messages.iter().enumerate().map(row).collect::<Result<Vec<_>, _>>()?;
        rows::write(draft, header.messages_key(), header.messages, &rows)?;
        append.messages.iter().for_each(|message| header.count(message));
        if let Some(summary) = &append.summary {
            summary::write(draft, header, summary)?;
        }
        header.turns += 1;
        header.usage += append.usage;
        header.cost = both(header.cost, append.cost);
        header.last_active = at.max(header.last_active);
        // A label that somebody then names has become a session.
        header.named |= append.session.named;
        header.model.clone_from(&append.model);
        if let Some(prompt) = &append.prompt {
            header.prompt = Some(prompt.id.clone());
            self.keep_prompt(draft, prompt, at)?;
        }
        Ok(())
    }

    /// A summary of messages that the session has already.
    pub(in crate::store) fn summarise(
        &mut self,
        draft: &mut Draft<'_>,
        change: &SessionSummary,
    ) -> Result<(), StoreError> {
        match &mut self.touch(draft.database, &change.session)?.now {
            Some(header) => summary::write(draft, header, &change.summary),
            None => Ok(()),
        }
    }

    /// The text of a prompt, unless the store has it.
    fn keep_prompt(
        &mut self,
        draft: &mut Draft<'_>,
        prompt: &SystemPrompt,
        at: Millis,
    ) -> Result<(), StoreError> {
        if self.prompt.as_ref() == Some(&prompt.id) {
            return Ok(());
        }
        self.prompt = Some(prompt.id.clone());
        let key = prompts::key(&prompt.id);
        if draft.database.has(key)? {
            return Ok(());
        }
        let stored = StoredPrompt { id: prompt.id.clone(), text: prompt.text.to_string(), at };
        draft.put(key, &stored)
    }
}
