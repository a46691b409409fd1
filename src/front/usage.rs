//! `/api/usage`: what model calls cost, summed up.

use super::{ask::ask, auth::Authorised, error::ApiError, query::Params};
use crate::{
    actors::{ReadUsage, Scope},
    domain::{DAY, Millis, UsageBy, UsageGroup, UsageSums, date, dollars, now, seconds},
    store::{UsageFilter, UsageReport},
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

/// Days that are summed up when the client does not say from when.
const DAYS: Millis = 30;
/// Rows of a page when the client names no limit.
pub const PAGE: usize = 100;

#[derive(Serialize)]
struct Sums {
    calls: u64,
    failed_calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cached_tokens: u64,
    reasoning_tokens: u64,
    duration_ms: u64,
    cost_usd: Option<f64>,
}

impl From<UsageSums> for Sums {
    fn from(sums: UsageSums) -> Self {
        let UsageSums { calls, failed, usage, ms, cost } = sums;
        Self {
            calls,
            failed_calls: failed,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
            cached_tokens: usage.cached_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            duration_ms: ms,
            cost_usd: cost.map(dollars),
        }
    }
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    group: Value,
    #[serde(flatten)]
    sums: Sums,
}

/// The sums of a time, by day, session, key, model or kind.
pub async fn usage(request: HttpRequest, auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Read)?;
    let params = Params::of(&request)?;
    let by = params.read("by", "day, session, key, model or kind", UsageBy::parse)?.unwrap_or(UsageBy::Day);
    let filter = filter(by, params.get("from"), params.get("to"))?;
    let limit = params.limit(PAGE)?;
    let offset: usize =
        params.read("offset", "a number from 0", |text| text.parse().ok())?.unwrap_or_default();
    let report = ask(&auth.tenant, ReadUsage(filter.clone())).await?;
    Ok(HttpResponse::Ok().json(told(&report, &filter, offset, limit)))
}

/// The calls of `[from, to)`, each an instant or a day; without `from` the last thirty days.
///
/// # Errors
///
/// 400 that names the member.
pub fn filter(by: UsageBy, from: Option<&str>, to: Option<&str>) -> Result<UsageFilter, ApiError> {
    let read = |name: &str, text: Option<&str>, more: Millis| {
        text.map(|text| {
            point(text, more).ok_or_else(|| {
                let expected = "seconds since 1970, or a day such as 2026-11-22";
                ApiError::invalid(name, format!("`{name}` must be {expected}"))
            })
        })
        .transpose()
    };
    let until = read("to", to, DAY)?.unwrap_or_else(|| now().saturating_add(1));
    let from = read("from", from, 0)?.unwrap_or_else(|| (until.div_euclid(DAY) - DAYS + 1) * DAY);
    if from >= until {
        return Err(ApiError::invalid("from", "`from` must be before `to`"));
    }
    Ok(UsageFilter { by, from, until })
}

/// A page of a report as it is told.
pub fn told(report: &UsageReport, filter: &UsageFilter, offset: usize, limit: usize) -> Value {
    let (rows, has_more) = page(report, offset, limit);
    json!({
        "object": "list",
        "by": filter.by,
        "from": seconds(filter.from),
        "to": seconds(filter.until),
        "data": rows,
        "total": Sums::from(report.total),
        "has_more": has_more,
    })
}

/// Days the newest first, all else the dearest first.
fn page(report: &UsageReport, offset: usize, limit: usize) -> (Vec<Row>, bool) {
    let mut groups: Vec<(&UsageGroup, &UsageSums)> = report.groups.iter().rev().collect();
    if !matches!(groups.first(), Some((UsageGroup::Day(_), _))) {
        groups.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.usage.total_tokens));
    }
    let has_more = groups.len() > offset.saturating_add(limit);
    let rows = groups.into_iter().skip(offset).take(limit);
    (rows.map(|(group, sums)| Row { group: shown(group), sums: (*sums).into() }).collect(), has_more)
}

fn shown(group: &UsageGroup) -> Value {
    match group {
        UsageGroup::Day(day) => json!({ "day": date(day * DAY).get(..10) }),
        UsageGroup::Session(id) => json!({ "session_id": id }),
        UsageGroup::Key(id) => json!({ "key_id": id }),
        UsageGroup::Model { provider, model } => json!({ "provider": provider, "model": model }),
        UsageGroup::Kind(kind) => json!({ "kind": kind }),
    }
}

/// A day is its beginning, `more` later.
fn point(text: &str, more: Millis) -> Option<Millis> {
    if let Ok(day) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis() + more);
    }
    let number: f64 = text.parse().ok()?;
    // Beyond the year 9999 nothing was spent.
    #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
    (0.0..=253_402_300_799.0).contains(&number).then_some((number * 1_000.0) as Millis)
}
