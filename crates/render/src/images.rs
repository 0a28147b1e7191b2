//! Which images stand in for those that detection or a repository names, where nodes pull from a mirror or people
//! keep images of their own.

use std::{collections::BTreeMap, str::FromStr};

/// Substitutes by the name of what is detected, without its tag: `node`, `python`, `golang`,
/// `rust`, `busybox`, or `*` for all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images(BTreeMap<String, String>);

/// A substitution that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not NAME=IMAGE, as in node=registry.example.com/node or *=mirror.example.com/library/"
)]
pub struct InvalidImage(pub String);

impl Images {
    /// What to run where detection says `image`: the substitute with the detected tag, unless it
    /// has a tag or digest of its own; below it, where it ends with a slash.
    #[must_use]
    pub fn resolve(&self, image: &str) -> String {
        let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
        match self.0.get(name).or_else(|| self.0.get("*")) {
            None => image.to_owned(),
            Some(below) if below.ends_with('/') => format!("{below}{image}"),
            Some(own) if is_tagged(own) => own.clone(),
            Some(own) => format!("{own}:{tag}"),
        }
    }
}

impl Images {
    /// What to run where somebody names `image`: as [`Self::resolve`], for an image of that name
    /// or of Docker's own library. Others, and those that are named by their digest, stay.
    #[must_use]
    pub fn stand_in(&self, image: &str) -> String {
        let plain = image.strip_prefix("docker.io/").unwrap_or(image);
        let plain = plain.strip_prefix("library/").unwrap_or(plain);
        let tag = if is_tagged(plain) {
            plain.rfind(':')
        } else {
            None
        };
        let name = &plain[..tag.unwrap_or(plain.len())];
        let is_meant = self.0.contains_key(name) || (!name.contains('/') && !self.0.is_empty());
        if image.contains('@') || !is_meant {
            return image.to_owned();
        }
        let resolved = self.resolve(plain);
        // Nothing stands in for it.
        if resolved == plain {
            image.to_owned()
        } else {
            resolved
        }
    }
}

/// Whether a reference ends with a tag or digest; the colon of a registry's port is not one.
fn is_tagged(image: &str) -> bool {
    image
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains([':', '@']))
}

impl FromStr for Images {
    type Err = InvalidImage;

    /// Reads `NAME=IMAGE`, separated by spaces.
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        text.split_whitespace()
            .map(|pair| match pair.split_once('=') {
                Some((name, image)) if !name.is_empty() && !image.is_empty() => {
                    Ok((name.to_owned(), image.to_owned()))
                }
                _ => Err(InvalidImage(pair.to_owned())),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_substitute_keeps_the_detected_tag_unless_it_has_its_own() {
        let images: Images =
            "node=registry.example.com:5000/node python=tools:1 *=mirror.example.com/library/"
                .parse()
                .unwrap();
        for (detected, expected) in [
            ("node:22", "registry.example.com:5000/node:22"),
            ("python:3.12", "tools:1"),
            ("golang:1", "mirror.example.com/library/golang:1"),
            ("busybox", "mirror.example.com/library/busybox"),
        ] {
            assert_eq!(images.resolve(detected), expected);
        }
        assert_eq!(Images::default().resolve("node:22"), "node:22");
        let pinned: Images = "rust=r.example.com/rust@sha256:0123".parse().unwrap();
        assert_eq!(pinned.resolve("rust:1"), "r.example.com/rust@sha256:0123");
    }

    #[test]
    fn an_image_that_a_repository_names_stays_unless_it_is_meant() {
        let images: Images = "node=tools/node *=mirror.example.com/ acme/app=acme/other:1"
            .parse()
            .unwrap();
        for (named, expected) in [
            ("node:22", "tools/node:22"),
            ("docker.io/library/node:22", "tools/node:22"),
            ("postgres:16", "mirror.example.com/postgres:16"),
            ("acme/app:7", "acme/other:1"),
            ("ghcr.io/acme/web:1", "ghcr.io/acme/web:1"),
            ("registry:5000/x:1", "registry:5000/x:1"),
            ("node@sha256:0123", "node@sha256:0123"),
        ] {
            assert_eq!(images.stand_in(named), expected);
        }
        let none = Images::default();
        assert_eq!(
            none.stand_in("docker.io/library/node"),
            "docker.io/library/node"
        );
    }

    #[test]
    fn what_is_no_substitution_is_refused() {
        for text in ["node", "=x", "node="] {
            assert!(text.parse::<Images>().is_err(), "{text}");
        }
    }
}
