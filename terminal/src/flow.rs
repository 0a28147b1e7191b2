//! What may be under way to the shell, and what each message looks like.

use std::collections::VecDeque;

/// Bytes that the shell may not have taken yet: half of what the server allows.
const WINDOW: usize = 64 * 1024;

/// Bytes of one message.
const PIECE: usize = 8 * 1024;

/// What the server is told to have been taken, in steps of this many bytes.
pub(crate) const STEP: usize = 16 * 1024;

/// What a terminal sends for Ctrl-C.
const CONTROL_C: &[u8] = b"\x03";

pub(crate) const TYPED: u8 = 0;
pub(crate) const OUTPUT: u8 = 1;
pub(crate) const END: u8 = 3;
pub(crate) const RESIZE: u8 = 4;
pub(crate) const TAKEN: u8 = 5;

/// What was typed and pasted and is not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Vec<u8>>,
    under_way: usize,
}

impl Outgoing {
    /// Adds what was typed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes == CONTROL_C {
            // As in a terminal: what was typed before and not read yet is void.
            self.waiting.clear();
        }
        self.waiting.extend(bytes.chunks(PIECE).map(<[u8]>::to_vec));
    }

    /// The next message that may be sent now.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let length = self.waiting.front()?.len();
        if self.under_way + length > WINDOW {
            return None;
        }
        self.under_way += length;
        self.waiting.pop_front().map(|bytes| message(TYPED, &bytes))
    }

    /// The shell has taken so many bytes.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.under_way = self.under_way.saturating_sub(bytes);
    }
}

/// A message on a channel.
pub(crate) fn message(channel: u8, bytes: &[u8]) -> Vec<u8> {
    [&[channel], bytes].concat()
}

/// The message that tells a size.
pub(crate) fn size(columns: u32, rows: u32) -> Vec<u8> {
    let text = format!("{{\"Width\":{columns},\"Height\":{rows}}}");
    message(RESIZE, text.as_bytes())
}

/// The message that acknowledges output.
pub(crate) fn taken(bytes: usize) -> Vec<u8> {
    let count = u32::try_from(bytes).unwrap_or(u32::MAX);
    message(TAKEN, &count.to_be_bytes())
}

/// How many bytes an acknowledgement is about.
pub(crate) fn count(bytes: &[u8]) -> usize {
    let bytes: Option<[u8; 4]> = bytes.try_into().ok();
    bytes.map_or(0, |bytes| u32::from_be_bytes(bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_goes_out_in_pieces_and_only_as_fast_as_it_is_taken() {
        let mut outgoing = Outgoing::default();
        outgoing.push(&vec![b'x'; 1024 * 1024]);
        let mut sent = 0;
        let mut rounds = 0;
        while sent < 1024 * 1024 {
            let mut now = 0;
            while let Some(message) = outgoing.next() {
                assert_eq!(message[0], TYPED);
                now += message.len() - 1;
            }
            assert!(now > 0 && now <= WINDOW);
            outgoing.taken(now);
            sent += now;
            rounds += 1;
        }
        assert_eq!(rounds, 16);
    }

    #[test]
    fn control_c_goes_ahead_of_what_was_pasted() {
        let mut outgoing = Outgoing::default();
        outgoing.push(&vec![b'x'; 200 * 1024]);
        while outgoing.next().is_some() {}
        outgoing.push(b"\x03");
        outgoing.taken(1);
        assert_eq!(outgoing.next(), Some(vec![TYPED, 3]));
        assert_eq!(outgoing.next(), None);
    }

    #[test]
    fn sizes_and_counts_are_as_the_server_reads_them() {
        assert_eq!(size(80, 24), b"\x04{\"Width\":80,\"Height\":24}");
        assert_eq!(taken(256), [TAKEN, 0, 0, 1, 0]);
        assert_eq!(count(&[0, 0, 1, 0]), 256);
        assert_eq!(count(&[1]), 0);
    }
}
