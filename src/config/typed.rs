//! Texts of settings as the types that are wanted, with errors that say which form is.

use super::{
    ConfigError,
    settings::{Found, Settings},
};
use std::{ops::RangeInclusive, str::FromStr, time::Duration};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

impl Found {
    pub fn bool(&self) -> Result<bool, ConfigError> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.place.error(format!("must be `true` or `false`, not `{}`", self.shown()))),
        }
    }

    /// A whole number in a range; `10_000` may be written for 10000.
    pub fn number<T>(&self, range: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let digits = self.text.trim().replace('_', "");
        let number = digits.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.place.error(format!("must be a whole number from {least} to {most}, not `{}`", self.shown()))
        })
    }

    /// Seconds, or a number with its unit: `30`, `500ms`, `30s`, `5m`, `24h`, `7d`.
    pub fn duration(&self, seconds: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        let range = Duration::from_secs(*seconds.start())..=Duration::from_secs(*seconds.end());
        parse_duration(self.text.trim()).filter(|duration| range.contains(duration)).ok_or_else(|| {
            let (least, most) = (seconds.start(), seconds.end());
            self.place.error(format!(
                "must be seconds from {least} to {most} (or `30s`, `5m`, `24h`, `7d`), not `{}`",
                self.shown()
            ))
        })
    }

    /// Bytes, or a number with its unit, each 1,024 of the one before: `1048576`, `512K`, `512MiB`, `4G`, `2TiB`.
    pub fn size(&self, bytes: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        parse_size(self.text.trim()).filter(|size| bytes.contains(size)).ok_or_else(|| {
            let (least, most) = (bytes.start(), bytes.end());
            self.place.error(format!(
                "must be bytes from {least} to {most} (or `512MiB`, `4GiB`), not `{}`",
                self.shown()
            ))
        })
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let word = self.text.trim().to_ascii_lowercase();
        choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.place.error(format!("must be one of {}, not `{}`", names.join(", "), self.shown()))
        })
    }

    /// Dollars for a million tokens, as billionths of a dollar for a thousand.
    pub fn price(&self) -> Result<u64, ConfigError> {
        let price: Option<f64> = self.text.trim().parse().ok().filter(|price| (0.0..=1e6).contains(price));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
        price
            .map(|price| (price * 1e6).round() as u64)
            .ok_or_else(|| self.place.error("must be dollars for a million tokens, such as `2.5`"))
    }

    /// The value for an error message: short ones only, since a longer one may be a secret that
    /// slipped into the wrong line.
    fn shown(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || " .,:;_+-/".contains(c);
        if self.text.chars().count() <= 12 && self.text.chars().all(plain) {
            self.text.clone()
        } else {
            "…".to_owned()
        }
    }
}

/// Values that every part of a profile reads by dotted path; `None` where nothing is configured.
impl Settings<'_> {
    pub fn bool(&self, path: &str, default: bool) -> Result<bool, ConfigError> {
        self.yaml(path)?.map_or(Ok(default), |found| found.bool())
    }

    pub fn number<T>(&self, path: &str, range: RangeInclusive<T>, default: T) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        self.yaml(path)?.map_or(Ok(default), |found| found.number(range))
    }

    /// A duration; range and default in seconds.
    pub fn duration(
        &self,
        path: &str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.yaml(path)?.map_or(Ok(Duration::from_secs(default)), |found| found.duration(range))
    }

    pub fn choice<T: Copy>(&self, path: &str, choices: &[(&str, T)], default: T) -> Result<T, ConfigError> {
        self.yaml(path)?.map_or(Ok(default), |found| found.choice(choices))
    }
}

/// Seconds, or a number with its unit: `30`, `500ms`, `30s`, `5m`, `24h`, `7d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let powers = match unit.strip_suffix("ib").unwrap_or(&unit) {
        "" if unit.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        // `MB` means a million to some and 1,048,576 to others.
        _ => return None,
    };
    number.checked_mul(1 << (10 * powers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::Place;

    fn found(text: &str) -> Found {
        let place = Place { file: "c.yaml".into(), line: Some(3), key: "a.b".to_owned() };
        Found { text: text.to_owned(), place }
    }

    #[test]
    fn durations_are_seconds_or_carry_a_unit() {
        let cases = [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("1_500ms", Some(1_500)),
            ("5m", Some(300_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("8d", None),
            ("1w", None),
            ("-1", None),
            ("s", None),
            ("", None),
            ("1.5", None),
            ("99999999999999999999", None),
            ("9999999999999999999d", None),
        ];
        for (text, expected) in cases {
            let read = found(text).duration(0..=7 * DAY).ok();
            assert_eq!(read, expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_unit_that_means_one_thing() {
        let cases = [
            ("1048576", Some(1 << 20)),
            ("1_000", Some(1_000)),
            ("512K", Some(512 << 10)),
            ("512 MiB", Some(512 << 20)),
            ("4g", Some(4 << 30)),
            ("2TiB", Some(2 << 40)),
            ("9TiB", None),
            ("4GB", None),
            ("ib", None),
            ("4ib", None),
            ("-1", None),
            ("1.5G", None),
            ("99999999999T", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text).size(0..=8 << 40).ok(), expected, "{text}");
        }
    }

    #[test]
    fn booleans_have_four_forms_each() {
        for text in ["true", "1", "yes", "on", "True", " ON "] {
            assert!(found(text).bool().unwrap(), "{text}");
        }
        for text in ["false", "0", "no", "off", "No"] {
            assert!(!found(text).bool().unwrap(), "{text}");
        }
        assert!(found("maybe").bool().is_err());
    }

    #[test]
    fn errors_say_the_place_and_the_form() {
        let error = found("many").number(1..=90_u32).unwrap_err().to_string();
        assert_eq!(error, "c.yaml:3: `a.b`: must be a whole number from 1 to 90, not `many`");
        let error = found("91").number(1..=90_u32).unwrap_err().to_string();
        assert!(error.ends_with("not `91`"), "{error}");
        let error = found("x").choice(&[("on", 1), ("off", 2)]).unwrap_err().to_string();
        assert_eq!(error, "c.yaml:3: `a.b`: must be one of `on`, `off`, not `x`");
    }

    #[test]
    fn errors_do_not_repeat_what_looks_like_a_secret() {
        let error = found("sk-0123456789abcdef").bool().unwrap_err();
        assert!(!error.message.contains("sk-0"), "{error}");
    }
}
