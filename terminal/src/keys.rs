//! Keys that are not the shell's.

use web_sys::KeyboardEvent;

/// What a key is to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Copy what is selected.
    Copy,
    /// Type what is on the clipboard.
    Paste,
    /// Let the keyboard leave the terminal, which takes all other keys for itself.
    Leave,
}

/// Reads a key that was pressed; none for those that the shell gets.
pub(crate) fn read(event: &KeyboardEvent) -> Option<Key> {
    let key = event.key();
    meaning(
        &key,
        event.ctrl_key(),
        event.shift_key(),
        event.alt_key() || event.meta_key(),
    )
}

fn meaning(key: &str, control: bool, shift: bool, other: bool) -> Option<Key> {
    if other {
        return None;
    }
    match (key, control, shift) {
        ("C" | "c", true, true) | ("Insert", true, false) => Some(Key::Copy),
        ("V" | "v", true, true) | ("Insert", false, true) => Some(Key::Paste),
        (".", true, false) => Some(Key::Leave),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_is_the_shells_and_with_shift_ours() {
        assert_eq!(meaning("c", true, false, false), None);
        assert_eq!(meaning("C", true, true, false), Some(Key::Copy));
        assert_eq!(meaning("v", true, false, false), None);
        assert_eq!(meaning("V", true, true, false), Some(Key::Paste));
        assert_eq!(meaning("Insert", false, true, false), Some(Key::Paste));
        assert_eq!(meaning(".", true, false, false), Some(Key::Leave));
        assert_eq!(meaning(".", false, false, false), None);
        assert_eq!(meaning("C", true, true, true), None);
    }
}
