//! Instants as people and other programs write them.

use super::Millis;

/// A day in milliseconds.
pub const DAY: Millis = 86_400_000;

/// Day and minute, in UTC.
#[must_use]
pub fn date(at: Millis) -> String {
    let (days, minutes) = (at.div_euclid(DAY), at.rem_euclid(DAY) / 60_000);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// The instant as RFC 3339 writes it, in UTC.
#[must_use]
pub fn timestamp(at: Millis) -> String {
    let (days, ms) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}+00:00", ms % 1_000)
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar (years counted from March, so
/// that the leap day is a year's last).
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00"),
            (951_782_400_000, "2000-02-29 00:00"),
            (1_767_225_599_999, "2025-12-31 23:59"),
            (4_107_542_400_000, "2100-03-01 00:00"),
            (-1, "1969-12-31 23:59"),
        ];
        for (at, text) in cases {
            assert_eq!(date(at), text);
        }
    }

    #[test]
    fn an_instant_is_written_to_the_millisecond() {
        assert_eq!(timestamp(951_782_399_007), "2000-02-28T23:59:59.007+00:00");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999+00:00");
    }
}
