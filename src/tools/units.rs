//! Numbers of bytes as people say them.

/// Rounded down to a tenth.
pub fn bytes(count: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| count >> shift > 0);
    let Some((shift, name)) = unit else { return format!("{count} bytes") };
    let tenths = (count >> (shift - 10)) * 10 / 1_024;
    let (whole, rest) = (tenths / 10, tenths % 10);
    if rest == 0 { format!("{whole} {name}") } else { format!("{whole}.{rest} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        let cases = [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (4 << 30, "4 GiB"),
            ((4 << 30) - 1, "3.9 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }
}
