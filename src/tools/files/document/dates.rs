//! Dates of sheets: numbers of days, which only their format tells from others.

use chrono::{Days, NaiveDate, NaiveTime};
use std::ops::RangeInclusive;

/// Formats that every program knows, and that are dates or times.
pub const BUILT_IN: [RangeInclusive<u32>; 5] = [14..=22, 27..=36, 45..=47, 50..=58, 71..=81];

const SECONDS: f64 = 86_400.0;
/// The day after 9999-12-31.
const END: f64 = 2_958_466.0;

/// Where days are counted from.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Dates {
    #[default]
    Since1900,
    Since1904,
}

impl Dates {
    /// A number as the date or the time that it is; `None`: it is none.
    pub fn shown(self, number: &str) -> Option<String> {
        let number: f64 = number.trim().parse().ok()?;
        if !(0.0..END).contains(&number) {
            return None;
        }
        let seconds = (number * SECONDS).round();
        let (days, rest) = ((seconds / SECONDS).floor(), seconds % SECONDS);
        let time = NaiveTime::from_num_seconds_from_midnight_opt(rest as u32, 0)?;
        if number < 1.0 && self == Self::Since1900 {
            return Some(time.to_string());
        }
        let date = self.first(days)?.checked_add_days(Days::new(days as u64))?;
        Some(if rest == 0.0 { date.to_string() } else { format!("{date} {time}") })
    }

    fn first(self, days: f64) -> Option<NaiveDate> {
        match self {
            // Sheets have a 29 February in 1900, which was none.
            Self::Since1900 if days < 60.0 => NaiveDate::from_ymd_opt(1899, 12, 31),
            Self::Since1900 => NaiveDate::from_ymd_opt(1899, 12, 30),
            Self::Since1904 => NaiveDate::from_ymd_opt(1904, 1, 1),
        }
    }
}

/// Whether a format shows a date or a time: it has letters for them that are no text.
pub fn is_date(format: &str) -> bool {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => drop(letters.by_ref().find(|letter| *letter == '"')),
            '[' => drop(letters.by_ref().find(|letter| *letter == ']')),
            '\\' | '_' | '*' => drop(letters.next()),
            'y' | 'm' | 'd' | 'h' | 's' | 'Y' | 'M' | 'D' | 'H' | 'S' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_days_that_sheets_show() {
        let cases = [
            ("1", Dates::Since1900, Some("1900-01-01")),
            ("59", Dates::Since1900, Some("1900-02-28")),
            ("61", Dates::Since1900, Some("1900-03-01")),
            ("45351", Dates::Since1900, Some("2024-02-29")),
            ("45351.57326388889", Dates::Since1900, Some("2024-02-29 13:45:30")),
            ("0.2951388888888889", Dates::Since1900, Some("07:05:00")),
            ("0.9999999", Dates::Since1900, Some("00:00:00")),
            ("43889", Dates::Since1904, Some("2024-02-29")),
            ("-1", Dates::Since1900, None),
            ("1e300", Dates::Since1900, None),
            ("NaN", Dates::Since1900, None),
            ("soon", Dates::Since1900, None),
        ];
        for (number, since, shown) in cases {
            assert_eq!(since.shown(number).as_deref(), shown, "{number} {since:?}");
        }
    }

    #[test]
    fn a_format_of_dates_is_told_from_one_of_numbers() {
        for format in ["yyyy-mm-dd", "h:mm AM/PM", "[$-407]d. mmmm", "MM:SS", "\"on \"d"] {
            assert!(is_date(format), "{format}");
        }
        for format in ["General", "0.00%", "#,##0 \"days\"", "[Red]0.00", "0\\d", "_d0", "\"m", "[h", "\\"] {
            assert!(!is_date(format), "{format}");
        }
    }
}
