//! A row of `sessions`.

use super::value;
use crate::domain::{ImportSession, Usage};
use rusqlite::Row;

/// What is read, and whether it may be long.
pub(super) const COLUMNS: &[(&str, bool)] = &[
    ("id", false),
    ("source", false),
    ("model", false),
    ("title", false),
    ("system_prompt", true),
    ("parent_session_id", false),
    ("started_at", false),
    ("ended_at", false),
    ("end_reason", false),
    ("api_call_count", false),
    ("input_tokens", false),
    ("cache_read_tokens", false),
    ("cache_write_tokens", false),
    ("output_tokens", false),
    ("reasoning_tokens", false),
    ("actual_cost_usd", false),
    ("estimated_cost_usd", false),
];

/// The row with [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<ImportSession> {
    let [text, some] = [value::text, value::some].map(|read| move |at: usize| row.get_ref(at).map(read));
    let count = |at: usize| row.get_ref(at).map(value::count);
    let time = |at: usize| row.get_ref(at).map(value::time);
    let (cached, written) = (count(11)?, count(12)?);
    // Its `input` is what was neither read from a cache nor written to one; ours is all of it.
    let input = count(10)?.saturating_add(cached).saturating_add(written);
    let output = count(13)?;
    let began = count(9)? > 0;
    let reason = some(8)?.unwrap_or_default();
    Ok(ImportSession {
        id: text(0)?.unwrap_or_default(),
        source: some(1)?,
        model: some(2)?,
        title: some(3)?,
        // The agent's own prompt takes the place of the client's at the first call.
        system_prompt: some(4)?.filter(|_| !began),
        parent: some(5)?,
        created_at: time(6)?.unwrap_or(0),
        ended: time(7)?.map(|at| (at, reason)),
        usage: Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input.saturating_add(output),
            cached_tokens: cached,
            reasoning_tokens: count(14)?,
        },
        cost: cost(value::number(row.get_ref(15)?).or(value::number(row.get_ref(16)?))),
    })
}

/// Dollars in billionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of this kind keeps to the range"
)]
fn cost(dollars: Option<f64>) -> Option<u64> {
    dollars.filter(|dollars| *dollars > 0.0).map(|dollars| (dollars * 1e9).round() as u64)
}
