//! A command's output in bounded memory: its beginning and its end, and how much lies between.

use super::plain::Plain;
use std::collections::VecDeque;

/// Keeps 40 % of the room for the beginning and 60 % for the end: errors tend to come last.
pub struct Capture {
    plain: Plain,
    head: Vec<u8>,
    head_room: usize,
    tail: VecDeque<u8>,
    tail_room: usize,
    /// Bytes that were in neither any more.
    omitted: u64,
}

impl Capture {
    pub fn new(room: usize) -> Self {
        let head_room = room / 5 * 2;
        Self {
            plain: Plain::default(),
            head: Vec::new(),
            head_room,
            tail: VecDeque::new(),
            tail_room: room - head_room,
            omitted: 0,
        }
    }

    pub fn push(&mut self, piece: &[u8]) {
        let mut clean = Vec::with_capacity(piece.len());
        self.plain.strip(piece, &mut clean);
        let room = self.head_room - self.head.len();
        let (head, rest) = clean.split_at(room.min(clean.len()));
        self.head.extend_from_slice(head);
        // Only the end of a large piece can stay.
        let (lost, kept) = rest.split_at(rest.len().saturating_sub(self.tail_room));
        let over = (self.tail.len() + kept.len()).saturating_sub(self.tail_room);
        self.tail.drain(..over);
        self.tail.extend(kept);
        self.omitted += u64::try_from(lost.len() + over).unwrap_or(u64::MAX);
    }

    /// The text, its ends trimmed, and the number of bytes that are missing in the middle.
    pub fn finish(self) -> (String, u64) {
        let Self { head, mut tail, mut omitted, .. } = self;
        let mut head = head;
        let tail = tail.make_contiguous();
        if omitted == 0 {
            // Together first: the border may lie inside a character.
            head.extend_from_slice(tail);
            return (String::from_utf8_lossy(&head).trim().to_owned(), 0);
        }
        let head_end = border_before(&head);
        let tail_start = tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count();
        omitted += u64::try_from(head.len() - head_end + tail_start).unwrap_or(0);
        let (first, last) =
            (String::from_utf8_lossy(&head[..head_end]), String::from_utf8_lossy(&tail[tail_start..]));
        let text = format!(
            "{}\n\n[... {omitted} bytes of output omitted ...]\n\n{}",
            first.trim_start(),
            last.trim_end()
        );
        (text, omitted)
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Where the text ends before a character that was cut.
fn border_before(text: &[u8]) -> usize {
    let tail = text.len().saturating_sub(3);
    let cut = text[tail..].iter().rposition(|&byte| byte >= 0b1100_0000).map(|at| tail + at);
    match cut {
        Some(at) if std::str::from_utf8(&text[at..]).is_err_and(|error| error.error_len().is_none()) => at,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(room: usize, pieces: &[&[u8]]) -> (String, u64) {
        let mut capture = Capture::new(room);
        pieces.iter().for_each(|piece| capture.push(piece));
        capture.finish()
    }

    #[test]
    fn what_fits_is_whole_and_trimmed() {
        assert_eq!(captured(10, &[b"\n ab", b"cd \n"]), ("abcd".to_owned(), 0));
        assert_eq!(captured(10, &[]), (String::new(), 0));
        // The border between head (4) and tail falls inside the character.
        assert_eq!(captured(10, &["aaaé".as_bytes()]), ("aaaé".to_owned(), 0));
        assert_eq!(captured(10, &[b"a\xffb"]), ("a\u{fffd}b".to_owned(), 0));
    }

    #[test]
    fn forty_percent_head_and_sixty_percent_tail_stay_however_it_is_cut() {
        let text: Vec<u8> = (0..100_u8).map(|n| b'a' + n % 26).collect();
        let whole = captured(10, &[&text]);
        assert_eq!(whole.1, 90);
        assert_eq!(whole.0, "abcd\n\n[... 90 bytes of output omitted ...]\n\nqrstuv");
        for size in [1, 3, 7, 50] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(captured(10, &pieces), whole, "{size}");
        }
    }

    #[test]
    fn characters_at_the_cuts_are_dropped_whole() {
        let (text, omitted) = captured(10, &["é".repeat(50).as_bytes(), b"x"]);
        assert_eq!(text, "éé\n\n[... 92 bytes of output omitted ...]\n\nééx");
        assert_eq!(omitted, 92);
    }

    #[test]
    fn a_flood_stays_in_its_room() {
        let mut capture = Capture::new(50_000);
        let piece = [b'y'; 1 << 16];
        for _ in 0..1_000 {
            capture.push(&piece);
        }
        assert!(capture.head.capacity() + capture.tail.capacity() < 200_000);
        assert_eq!(capture.finish().1, 1_000 * (1 << 16) - 50_000);
    }
}
