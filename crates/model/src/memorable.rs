//! Names that people can remember and tell each other.

#[rustfmt::skip]
const ADJECTIVES: [&str; 64] = [
    "able", "amber", "bold", "brave", "brisk", "bright", "calm", "clear",
    "clever", "cosy", "crisp", "deft", "eager", "early", "easy", "fair",
    "fancy", "fast", "fine", "fleet", "fond", "fresh", "gentle", "glad",
    "golden", "grand", "green", "happy", "hardy", "honest", "humble", "jolly",
    "keen", "kind", "lively", "loyal", "lucky", "mellow", "merry", "mild",
    "neat", "nimble", "noble", "patient", "placid", "plain", "polite", "proud",
    "quick", "quiet", "ready", "rosy", "sharp", "shiny", "silver", "smart",
    "snug", "sober", "solid", "steady", "sunny", "swift", "tidy", "warm",
];

#[rustfmt::skip]
const NOUNS: [&str; 64] = [
    "acorn", "badger", "beacon", "birch", "bison", "breeze", "brook", "canyon",
    "cedar", "cliff", "clover", "comet", "coral", "crane", "delta", "dune",
    "eagle", "ember", "fern", "finch", "fjord", "forest", "fox", "garden",
    "glade", "harbor", "hazel", "heron", "island", "ivy", "lagoon", "lake",
    "lark", "linden", "lynx", "maple", "meadow", "mesa", "moss", "oak",
    "orchid", "osprey", "otter", "owl", "pebble", "pine", "plover", "pond",
    "quail", "quartz", "raven", "reef", "ridge", "river", "robin", "sparrow",
    "spruce", "stone", "summit", "swan", "thicket", "tulip", "valley", "willow",
];

/// A name for an environment that a person makes: `dev-<adjective>-<noun>-<two digits>`, one of
/// some 400,000, chosen by the number given.
#[must_use]
pub fn memorable_environment_name(random: u64) -> String {
    let pick = |words: &[&'static str; 64], at: u64| words[(at % 64) as usize];
    let (adjective, noun) = (pick(&ADJECTIVES, random), pick(&NOUNS, random >> 6));
    format!("dev-{adjective}-{noun}-{:02}", (random >> 12) % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::is_dns_1123_label;
    use std::collections::BTreeSet;

    #[test]
    fn every_memorable_name_is_a_short_label_and_they_differ() {
        let names: BTreeSet<String> = (0..64 * 64 * 100)
            .step_by(7)
            .map(memorable_environment_name)
            .collect();
        assert_eq!(names.len(), (64 * 64 * 100_usize).div_ceil(7));
        for name in &names {
            assert!(is_dns_1123_label(name) && name.len() <= 24, "{name}");
            assert_eq!(name.split('-').count(), 4, "{name}");
        }
        assert_eq!(memorable_environment_name(u64::MAX), "dev-warm-willow-95");
    }

    #[test]
    fn no_word_is_there_twice() {
        for words in [ADJECTIVES, NOUNS] {
            assert_eq!(BTreeSet::from(words).len(), 64);
        }
    }
}
