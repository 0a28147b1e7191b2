//! Which cluster a project lives in: pure.
//!
//! A project lives in the cluster in which its Project object stands. Two objects of one name in
//! two clusters would be one project; then the one that was there first counts, and the other is
//! said to be in the way.

/// What a cluster has told of a Project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing yet: it was not heard since the start.
    Nothing,
    /// It is not there.
    Absent,
    /// It is there.
    Present,
}

/// Where a project lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Home<'a> {
    /// In this cluster.
    In(&'a str),
    /// In this cluster, and so do its previews: the one that it lived in is not configured any
    /// more, or is known by another name now.
    MovedTo(&'a str),
    /// It has left this cluster, and its previews there go.
    Left(&'a str),
    /// Nobody can tell yet, or there is no such project.
    Unknown,
}

/// Finds it, given the cluster that it was in when it was last seen, if it was, and what each
/// configured cluster tells, the default one first.
pub(crate) fn home<'a>(before: Option<&str>, clusters: &[(&'a str, Told)]) -> Home<'a> {
    let present = || clusters.iter().find(|(_, told)| *told == Told::Present);
    let Some(before) = before else {
        return present().map_or(Home::Unknown, |(name, _)| Home::In(name));
    };
    match clusters.iter().find(|(name, _)| *name == before) {
        Some((name, Told::Present)) => Home::In(name),
        Some((name, Told::Absent)) => Home::Left(name),
        Some((_, Told::Nothing)) => Home::Unknown,
        None => present().map_or(Home::Unknown, |(name, _)| Home::MovedTo(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Told::{Absent, Nothing, Present};

    #[test]
    fn a_project_lives_where_its_object_stands_and_stays_there() {
        let cases = [
            // New: the default cluster is asked first.
            (None, Present, Present, Home::In("a")),
            (None, Absent, Present, Home::In("b")),
            (None, Nothing, Present, Home::In("b")),
            (None, Absent, Absent, Home::Unknown),
            // Known: only its own cluster can say that it is gone.
            (Some("b"), Present, Present, Home::In("b")),
            (Some("b"), Present, Nothing, Home::Unknown),
            (Some("b"), Present, Absent, Home::Left("b")),
            (Some("a"), Absent, Nothing, Home::Left("a")),
            // In a cluster that is not configured any more.
            (Some("c"), Absent, Present, Home::MovedTo("b")),
            (Some("c"), Absent, Nothing, Home::Unknown),
        ];
        for (before, a, b, wanted) in cases {
            assert_eq!(
                home(before, &[("a", a), ("b", b)]),
                wanted,
                "{before:?} {a:?} {b:?}"
            );
        }
    }
}
