//! A Dockerfile that a repository brings along: what it builds upon, and where its program listens.
//!
//! Nothing of it is run or refused here; the engine that builds is the judge of its syntax. What is
//! not understood stays as it is.

use std::collections::BTreeMap;

use crate::Images;

/// The Dockerfile with the images that stand in for those it names, and without the line that would
/// have a program of somebody else's read it (`# syntax=`): engines know the present syntax
/// themselves.
#[must_use]
pub fn adapted(text: &str, args: &BTreeMap<String, String>, images: &Images) -> String {
    let mut reading = Reading::new(args);
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        let Some(instruction) = &piece.instruction else {
            if !piece.is_syntax {
                out.push_str(piece.raw);
            }
            continue;
        };
        match reading.adapted(instruction, images) {
            Some(line) => {
                out.push_str(&line);
                out.push('\n');
            }
            None => out.push_str(piece.raw),
        }
        reading.read(instruction);
    }
    out
}

/// The port that the image of the last stage, or of `target`, says that its program listens on.
#[must_use]
pub fn exposed(text: &str, target: Option<&str>, args: &BTreeMap<String, String>) -> Option<u16> {
    let mut reading = Reading::new(args);
    for piece in pieces(text) {
        if let Some(instruction) = &piece.instruction {
            reading.read(instruction);
        }
    }
    let mut stage = match target {
        Some(target) => reading.stage(target)?,
        None => reading.stages.len().checked_sub(1)?,
    };
    loop {
        let Stage { base, port, .. } = reading.stages.get(stage)?;
        match (port, reading.stage_before(base, stage)) {
            (Some(port), _) => return Some(*port),
            (None, Some(earlier)) => stage = earlier,
            (None, None) => return usual_port(base),
        }
    }
}

/// Whether an instruction wants a secret of the build (`RUN --mount=type=secret`).
#[must_use]
pub fn wants_secrets(text: &str) -> bool {
    let mounts_one = |instruction: &str| {
        let mut words = instruction.split_whitespace();
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("RUN"))
            && words
                .take_while(|word| word.starts_with("--"))
                .filter_map(|word| word.strip_prefix("--mount="))
                .any(|mount| mount.split(',').any(|part| part == "type=secret"))
    };
    pieces(text)
        .iter()
        .filter_map(|piece| piece.instruction.as_deref())
        .any(mounts_one)
}

/// Where what is in well-known images listens, whose Dockerfiles say so and are not at hand.
fn usual_port(image: &str) -> Option<u16> {
    let name = image.rsplit('/').next().unwrap_or(image);
    let (name, tag) = name.split_once(':').unwrap_or((name, ""));
    match name {
        "nginx" | "httpd" | "caddy" | "wordpress" | "drupal" => Some(80),
        "php" if tag.contains("apache") => Some(80),
        "nginx-unprivileged" | "tomcat" | "jetty" => Some(8080),
        "ghost" => Some(2368),
        _ => None,
    }
}

/// A part of the text: an instruction with all its lines, or one line of another kind.
struct Piece<'a> {
    raw: &'a str,
    /// Its words in one line.
    instruction: Option<String>,
    is_syntax: bool,
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    let mut escape = '\\';
    let mut at_top = true;
    while !rest.is_empty() {
        let line = first_line(rest);
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with('#') {
            let directive = at_top
                .then(|| plain.trim_start_matches('#').split_once('='))
                .flatten()
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()));
            at_top &= directive.is_some();
            if let Some(("escape", "`")) = directive.as_ref().map(|(n, v)| (n.as_str(), *v)) {
                escape = '`';
            }
            all.push(Piece {
                raw: line,
                instruction: None,
                is_syntax: directive.is_some_and(|(name, _)| name == "syntax"),
            });
            rest = &rest[line.len()..];
            continue;
        }
        at_top = false;
        let (length, words) = instruction(rest, escape);
        all.push(Piece {
            raw: &rest[..length],
            instruction: Some(words),
            is_syntax: false,
        });
        rest = &rest[length..];
    }
    all
}

/// An instruction with its continued lines and here-documents: how long it is, and its words.
fn instruction(text: &str, escape: char) -> (usize, String) {
    let mut length = 0;
    let mut words = String::new();
    loop {
        let line = first_line(&text[length..]);
        if line.is_empty() {
            break;
        }
        length += line.len();
        let plain = line.trim();
        // Comments and empty lines may stand between continued lines.
        if plain.starts_with('#') || (plain.is_empty() && !words.is_empty()) {
            continue;
        }
        match plain.strip_suffix(escape) {
            Some(part) => {
                words.push_str(part);
                words.push(' ');
            }
            None => {
                words.push_str(plain);
                break;
            }
        }
    }
    for end in here_documents(&words) {
        loop {
            let line = first_line(&text[length..]);
            if line.is_empty() {
                break;
            }
            length += line.len();
            if line.trim() == end {
                break;
            }
        }
    }
    (length, words)
}

/// The words that end the here-documents of an instruction.
fn here_documents(words: &str) -> Vec<String> {
    let keyword = words.split_whitespace().next().unwrap_or_default();
    if !["RUN", "COPY", "ADD"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(keyword))
    {
        return Vec::new();
    }
    words
        .split_whitespace()
        .filter_map(|word| word.split_once("<<"))
        .map(|(_, end)| end.trim_start_matches('-').trim_matches(['"', '\'']))
        .filter(|end| {
            end.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && end.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .map(ToOwned::to_owned)
        .collect()
}

fn first_line(text: &str) -> &str {
    text.find('\n').map_or(text, |end| &text[..=end])
}

struct Stage {
    name: Option<String>,
    base: String,
    port: Option<u16>,
}

/// What is known of a Dockerfile so far.
struct Reading<'a> {
    /// What is given to the build.
    args: &'a BTreeMap<String, String>,
    /// What the file itself says.
    variables: BTreeMap<String, String>,
    stages: Vec<Stage>,
}

impl<'a> Reading<'a> {
    fn new(args: &'a BTreeMap<String, String>) -> Self {
        Self {
            args,
            variables: BTreeMap::new(),
            stages: Vec::new(),
        }
    }

    fn stage(&self, name: &str) -> Option<usize> {
        let by_name = self.stages.iter().rposition(|stage| {
            let known = stage.name.as_deref();
            known.is_some_and(|known| known.eq_ignore_ascii_case(name))
        });
        by_name.or_else(|| name.parse().ok().filter(|index| *index < self.stages.len()))
    }

    fn stage_before(&self, name: &str, before: usize) -> Option<usize> {
        self.stages[..before].iter().rposition(|stage| {
            let known = stage.name.as_deref();
            known.is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    fn read(&mut self, instruction: &str) {
        let mut words = instruction.split_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "FROM" => {
                let mut words = words.filter(|word| !word.starts_with("--"));
                let base = self.expanded(words.next().unwrap_or_default());
                let named = words
                    .next()
                    .is_some_and(|as_| as_.eq_ignore_ascii_case("as"));
                let name = words.next().filter(|_| named).map(ToOwned::to_owned);
                self.stages.push(Stage {
                    name,
                    base,
                    port: None,
                });
            }
            "ARG" | "ENV" => {
                let rest: Vec<_> = words.collect();
                // The old form of ENV has no equals sign.
                if let [name, value] = rest[..]
                    && keyword == "ENV"
                    && !name.contains('=')
                {
                    self.variables.insert(name.to_owned(), self.expanded(value));
                    return;
                }
                for word in rest {
                    if let Some((name, value)) = word.split_once('=') {
                        let value = self.expanded(value.trim_matches(['"', '\'']));
                        self.variables.insert(name.to_owned(), value);
                    }
                }
            }
            "EXPOSE" => {
                let port = words.find_map(|word| {
                    let word = self.expanded(word);
                    let (number, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
                    number
                        .parse()
                        .ok()
                        .filter(|port| *port != 0 && protocol.eq_ignore_ascii_case("tcp"))
                });
                if let Some(stage) = self.stages.last_mut() {
                    stage.port = stage.port.or(port);
                }
            }
            _ => {}
        }
    }

    /// The instruction in one line, where it names an image that another stands in for.
    fn adapted(&self, instruction: &str, images: &Images) -> Option<String> {
        let words: Vec<&str> = instruction.split_whitespace().collect();
        let keyword = words.first()?.to_ascii_uppercase();
        let mut changed = false;
        let mut put = |image: &str| -> Option<String> {
            let named = self.expanded(image);
            if named == "scratch" || named.contains('$') || self.stage(&named).is_some() {
                return None;
            }
            let other = images.stand_in(&named);
            changed |= other != named;
            (other != named).then_some(other)
        };
        let flag = |put: &mut dyn FnMut(&str) -> Option<String>, word: &str| -> Option<String> {
            if let Some(image) = word.strip_prefix("--from=") {
                return put(image).map(|image| format!("--from={image}"));
            }
            let options: Vec<_> = word
                .strip_prefix("--mount=")?
                .split(',')
                .map(|option| match option.strip_prefix("from=") {
                    Some(image) => put(image)
                        .map_or_else(|| option.to_owned(), |image| format!("from={image}")),
                    None => option.to_owned(),
                })
                .collect();
            Some(format!("--mount={}", options.join(",")))
        };
        match keyword.as_str() {
            "FROM" => {
                let at = words
                    .iter()
                    .skip(1)
                    .position(|word| !word.starts_with("--"))?
                    + 1;
                let image = put(words[at])?;
                let mut words: Vec<_> = words.into_iter().map(ToOwned::to_owned).collect();
                words[at] = image;
                Some(words.join(" "))
            }
            // Here only the flags are rewritten, within the words as they stand.
            "COPY" | "ADD" | "RUN" if !instruction.contains("<<") => {
                let mut line = instruction.to_owned();
                for word in words
                    .iter()
                    .skip(1)
                    .take_while(|word| word.starts_with("--"))
                {
                    if let Some(other) = flag(&mut put, word) {
                        line = line.replacen(word, &other, 1);
                    }
                }
                changed.then_some(line)
            }
            _ => None,
        }
    }

    /// The text with `$NAME`, `${NAME}` and `${NAME:-else}` replaced, where they are known.
    fn expanded(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let (name, other, length) = match rest.strip_prefix('{') {
                Some(inside) => {
                    let Some(end) = inside.find('}') else {
                        out.push('$');
                        continue;
                    };
                    let (name, other) = match inside[..end].split_once(":-") {
                        Some((name, other)) => (name, Some(other)),
                        None => (&inside[..end], None),
                    };
                    (name, other, end + 2)
                }
                None => {
                    let end = rest
                        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                        .unwrap_or(rest.len());
                    (&rest[..end], None, end)
                }
            };
            let known = self.args.get(name).or_else(|| self.variables.get(name));
            match known.map(String::as_str).or(other) {
                Some(value) => out.push_str(value),
                None => {
                    out.push('$');
                    out.push_str(&rest[..length]);
                }
            }
            rest = &rest[length..];
        }
        out + rest
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = "# syntax=docker/dockerfile:1\n# a comment\nARG NODE=22\nFROM --platform=linux/amd64 node:${NODE} AS build\nRUN --mount=type=cache,target=/x npm ci \\\n  # between\n  && npm run build\nRUN <<EOF\nFROM nothing\nEOF\nFROM build AS test\nFROM nginx:1\nCOPY --from=build --chown=1 /a /b\nCOPY --from=busybox:1 /bin/sh /bin/sh\n";

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn a_secret_is_wanted_by_a_mount_of_an_instruction_that_runs() {
        for text in [
            "FROM a\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN\n",
            "FROM a\nrun --network=none \\\n  --mount=id=TOKEN,type=secret true\n",
        ] {
            assert!(wants_secrets(text), "{text}");
        }
        for text in [
            "FROM a\n# RUN --mount=type=secret,id=TOKEN true\n",
            "FROM a\nRUN --mount=type=cache,target=/x true\n",
            "FROM a\nRUN echo --mount=type=secret\n",
        ] {
            assert!(!wants_secrets(text), "{text}");
        }
    }

    #[test]
    fn images_are_replaced_where_they_are_named_and_nothing_else_changes() {
        let images: Images = "*=mirror.example.com/".parse().unwrap();
        let out = adapted(FILE, &none(), &images);
        assert_eq!(
            out,
            "# a comment\nARG NODE=22\nFROM --platform=linux/amd64 mirror.example.com/node:22 AS build\nRUN --mount=type=cache,target=/x npm ci \\\n  # between\n  && npm run build\nRUN <<EOF\nFROM nothing\nEOF\nFROM build AS test\nFROM mirror.example.com/nginx:1\nCOPY --from=build --chown=1 /a /b\nCOPY --from=mirror.example.com/busybox:1 /bin/sh /bin/sh\n"
        );
        let args = [("NODE".to_owned(), "24".to_owned())].into();
        assert!(adapted(FILE, &args, &images).contains("mirror.example.com/node:24 AS build"));
        let without = FILE.replace("# syntax=docker/dockerfile:1\n", "");
        assert_eq!(adapted(FILE, &none(), &Images::default()), without);
    }

    #[test]
    fn the_port_is_what_the_stage_or_what_it_is_made_from_exposes() {
        let port = |text: &str, target| exposed(text, target, &none());
        assert_eq!(port("FROM a\nEXPOSE 3000", None), Some(3000));
        assert_eq!(port("FROM a\nEXPOSE 53/udp 8080/tcp", None), Some(8080));
        let staged = "FROM a AS base\nEXPOSE 1\nFROM base AS app\nFROM b AS other\nEXPOSE 2\n";
        assert_eq!(port(staged, None), Some(2));
        assert_eq!(port(staged, Some("app")), Some(1));
        assert_eq!(port(staged, Some("none")), None);
        assert_eq!(port("FROM a\nENV PORT=81\nEXPOSE ${PORT}", None), Some(81));
        assert_eq!(port("FROM a\nENV PORT 81\nEXPOSE $PORT", None), Some(81));
        assert_eq!(port("FROM nginx:alpine\n", None), Some(80));
        assert_eq!(port("FROM a\n", None), None);
        assert_eq!(port("", None), None);
    }

    #[test]
    fn a_text_that_is_no_dockerfile_does_no_harm() {
        let images: Images = "*=mirror.example.com/".parse().unwrap();
        for text in [
            "FROM",
            "FROM \\",
            "\\\n\\",
            "RUN <<A\n",
            "FROM ${x",
            "FROM $",
            "\u{0}é\n",
            "COPY --from=",
        ] {
            let _ = adapted(text, &none(), &images);
            let _ = exposed(text, None, &none());
        }
    }
}
