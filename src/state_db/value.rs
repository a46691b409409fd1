//! Values of any type as what is wanted: SQLite holds a column to no type.

use crate::domain::Millis;
use rusqlite::types::ValueRef;

/// Text without NULs. What is no UTF-8 has marks in its place.
pub(super) fn text(value: ValueRef<'_>) -> Option<String> {
    let text = match value {
        ValueRef::Null => return None,
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    Some(if text.contains('\0') { text.replace('\0', "") } else { text })
}

/// A text that has something in it.
pub(super) fn some(value: ValueRef<'_>) -> Option<String> {
    text(value).filter(|text| !text.trim().is_empty())
}

pub(super) fn number(value: ValueRef<'_>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "times, tokens and costs are smaller")]
    let number = match value {
        ValueRef::Null | ValueRef::Blob(_) => None,
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()),
    };
    number.filter(|number| number.is_finite())
}

/// A count; less than none is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of this kind keeps to the range"
)]
pub(super) fn count(value: ValueRef<'_>) -> u64 {
    number(value).map_or(0, |number| number as u64)
}

/// Seconds since 1970, with a fraction, as milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "a cast of this kind keeps to the range")]
pub(super) fn time(value: ValueRef<'_>) -> Option<Millis> {
    number(value).map(|seconds| (seconds * 1000.0).round() as Millis)
}
