//! Terminal text made plain: no colours, no cursor moves, no control characters.

/// Where in an escape sequence (ECMA-48) the text stands; a piece may end inside one.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one more byte follows.
    Charset,
    /// `ESC [` … until a final byte.
    Control,
    /// `ESC ]`, `ESC P` … until BEL or `ESC \`.
    Command,
    /// ESC inside such a command.
    CommandEscape,
}

#[derive(Default)]
pub struct Plain(At);

impl Plain {
    /// Appends what a reader would see of `piece`.
    pub fn strip(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            self.0 = match (self.0, byte) {
                (At::Text, 0x1b) => At::Escape,
                (At::Text, b'\n' | b'\t' | b'\r' | 0x20..=0x7e | 0x80..) => {
                    out.push(byte);
                    At::Text
                }
                (At::Escape, b'[') => At::Control,
                (At::Escape, b']' | b'P' | b'X' | b'^' | b'_') => At::Command,
                (At::Escape, b' '..=b'/') => At::Charset,
                (At::Control, 0x20..=0x3f) => At::Control,
                (At::Command, 0x1b) => At::CommandEscape,
                (At::Command, byte) if byte != 0x07 => At::Command,
                (At::CommandEscape, byte) if byte != b'\\' => At::Command,
                // A control character in the text, or the end of a sequence.
                _ => At::Text,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_vanish_also_when_cut_anywhere() {
        let cases: [(&str, &str); 7] = [
            ("\x1b[31mred\x1b[0m", "red"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
            ("\x1b(Bx\x1b7y", "xy"),
            ("\x1b[38;5;12;1mx\x1b[?25h", "x"),
            ("tab\tline\nbell\x07nul\0del\x7f", "tab\tline\nbellnuldel"),
            ("grün", "grün"),
        ];
        for (text, expected) in cases {
            for cut in 0..=text.len() {
                let (mut plain, mut out) = (Plain::default(), Vec::new());
                plain.strip(&text.as_bytes()[..cut], &mut out);
                plain.strip(&text.as_bytes()[cut..], &mut out);
                assert_eq!(String::from_utf8_lossy(&out), expected, "{text:?} cut at {cut}");
            }
        }
    }
}
