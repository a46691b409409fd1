//! What a folder says of work in it, told with the result of the first call that has to do with the folder: so the prompt
//! stays as it is.
//!
//! What was told already is looked up in what the model is shown, not noted anywhere: so it is told once in a session,
//! after a restart too, and again when a summary took the place of that result.

use super::drive::Driver;
use crate::{
    agent::{Caps, cut},
    domain::Message,
    tools::Instructions,
};
use std::{collections::BTreeSet, fmt::Write as _};

/// Folders that one result tells of.
const MOST: usize = 8;
/// What the gateway says itself; a file that says it speaks in brackets of another kind.
const OURS: [&str; 3] = ["Instructions of the folder", "End of the instructions", "note of the gateway"];

impl Driver {
    /// What is to be added to a result; empty where nothing is new.
    pub(super) async fn said_of(&mut self, mut folders: BTreeSet<String>) -> String {
        folders.retain(|folder| !self.room.looked_into.contains(folder));
        let mut added = String::new();
        if folders.is_empty() {
            return added;
        }
        self.room.looked_into.extend(folders.iter().cloned());
        let said = self.kit.toolbox.instructions_of(&self.spec.session.id, folders).await;
        let Caps { folder: most, .. } = self.caps();
        let news = said.into_iter().filter_map(|(folder, Instructions { name, text })| {
            // A result has no line of its own that begins so: it is JSON.
            let begin = format!("\n\n[Instructions of the folder `{folder}`");
            let begin = self.tenant.redactor().clean(&begin).into_owned();
            (!self.is_told(&begin)).then(|| {
                let mut text = cut(text.trim(), most).into_owned();
                for ours in OURS {
                    text = text.replace(&format!("[{ours}"), &format!("({ours}"));
                }
                let told = format!("{begin} ({name}), for work in it:]\n{text}\n[End of the instructions.]");
                self.tenant.redactor().clean(&told).into_owned()
            })
        });
        for told in news.take(MOST) {
            let _infallible = write!(added, "{told}");
        }
        self.pile += added.len();
        added
    }

    /// Whether a result that the model is shown has this.
    fn is_told(&self, words: &str) -> bool {
        let has =
            |message: &Message| matches!(message, Message::Tool { content, .. } if content.contains(words));
        self.shown().into_iter().flatten().any(has)
    }
}
