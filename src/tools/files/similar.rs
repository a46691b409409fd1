//! "Did you mean": names beside a file that does not exist.

use crate::{
    sandbox::{JailError, Place},
    tools::failure::Failure,
};

/// Folders with more entries are not looked through to the end.
const MOST: usize = 2_000;
const SHOWN: usize = 5;

/// The failure, with names that the caller may have meant.
pub fn explain(error: JailError, place: &Place<'_>) -> Failure {
    let missing = matches!(error, JailError::Missing(_));
    let failure = Failure::from(error);
    if !missing {
        return failure;
    }
    let names = similar(place);
    if names.is_empty() {
        return failure.hint("search_files with target \"files\" finds files by name");
    }
    failure.hint(format!("similar names there: {}", names.join(", ")))
}

fn similar(place: &Place<'_>) -> Vec<String> {
    let Some(asked) = place.relative().file_name().map(|name| name.to_string_lossy().to_lowercase()) else {
        return Vec::new();
    };
    let mut scored: Vec<(f32, String)> = place
        .neighbours(MOST)
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let contained = lower.contains(&asked) || (lower.len() > 2 && asked.contains(&lower));
            let ratio = if contained { 0.9 } else { ::similar::TextDiff::from_chars(&lower, &asked).ratio() };
            (ratio > 0.6).then_some((ratio, name))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}
