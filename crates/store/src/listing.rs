//! The preview list: one page of it, and the counts over all of it.

use catalyst_model::views::{PreviewCounts, PreviewFilter, PreviewOrder};
use chrono::{DateTime, Utc};
use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::Store;
use crate::error::StoreError;
use crate::previews::{PREVIEW, PREVIEW_TABLES, Preview};

/// The most rows of a page.
const MOST: u32 = 500;

/// Whose rows to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everybody's: for operators, and for Catalyst itself.
    All,
    /// Those of the teams with these names.
    Teams(&'a [String]),
}

/// A page of previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The page, in the filter's order.
    pub previews: Vec<Preview>,
    /// How many match the filter, over all pages.
    pub matching: u32,
}

impl Store {
    /// A page of the previews of these teams: one row a pull request, or preview made by hand.
    ///
    /// What previews use, only the cluster knows: an order by it is taken for the default one, and
    /// the filter's `over_quota` is not looked at. See [`Store::matching_namespaces`].
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn list_previews(
        &self,
        scope: Scope<'_>,
        filter: &PreviewFilter,
    ) -> Result<Listing, StoreError> {
        let previews: Vec<Preview> = read!(self, "list", "the previews", |db| {
            let mut query = QueryBuilder::new("");
            push_page(&mut query, scope, filter);
            query.build_query_as().fetch_all(db).await
        })?;
        let matching: i64 = read!(self, "count", "the previews", |db| {
            let mut query = QueryBuilder::new(format!("SELECT COUNT(*) {PREVIEW_TABLES} WHERE "));
            push_conditions(&mut query, scope, filter);
            query.build_query_scalar().fetch_one(db).await
        })?;
        Ok(Listing {
            previews,
            matching: u32::try_from(matching).unwrap_or(u32::MAX),
        })
    }

    /// The ids and namespaces of all previews of these teams that match the filter, in its order,
    /// whatever its page: for what the store does not know.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn matching_namespaces(
        &self,
        scope: Scope<'_>,
        filter: &PreviewFilter,
    ) -> Result<Vec<(String, String)>, StoreError> {
        read!(self, "list", "the previews", |db| {
            let mut query =
                QueryBuilder::new(format!("SELECT v.id, p.namespace {PREVIEW_TABLES} WHERE "));
            push_conditions(&mut query, scope, filter);
            query.push(order(filter));
            query.build_query_as().fetch_all(db).await
        })
    }

    /// The previews with these ids, in the order of the ids; unknown ones are left out.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn previews_with(&self, ids: &[String]) -> Result<Vec<Preview>, StoreError> {
        let mut previews: Vec<Preview> = read!(self, "list", "the previews", |db| {
            let mut query = QueryBuilder::new(format!(
                "{PREVIEW} {PREVIEW_TABLES} WHERE p.is_current AND p.preview_id IN "
            ));
            push_names(&mut query, ids);
            query.build_query_as().fetch_all(db).await
        })?;
        let place = |preview: &Preview| ids.iter().position(|id| *id == preview.id);
        previews.sort_by_key(place);
        Ok(previews)
    }

    /// The counts of each team that has a preview, by the team's name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn count_previews_by_team(&self) -> Result<Vec<(String, PreviewCounts)>, StoreError> {
        let rows: Vec<TeamCounts> = read!(self, "count", "the previews", |db| {
            let sql = format!(
                "SELECT t.name AS team, {COUNTS}
                 FROM pull_request_pods p JOIN teams t ON t.id = p.team_id
                 WHERE p.is_current AND p.deleted_at IS NULL GROUP BY t.name ORDER BY t.name"
            );
            sqlx::query_as(&sql).fetch_all(db).await
        })?;
        let rows = rows.into_iter();
        Ok(rows.map(|it| (it.team, it.counts.into())).collect())
    }

    /// The present previews to which nothing was pushed since then, the longest idle first: at most
    /// 100, and how many there are.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn idle_previews(&self, since: DateTime<Utc>) -> Result<Listing, StoreError> {
        const IDLE: &str = "p.is_current AND p.deleted_at IS NULL AND p.status <> 'deleting'
            AND p.created_at < $1";
        let sql =
            format!("{PREVIEW} {PREVIEW_TABLES} WHERE {IDLE} ORDER BY p.created_at LIMIT 100");
        let previews: Vec<Preview> = read!(self, "list", "the idle previews", |db| {
            sqlx::query_as(&sql).bind(since).fetch_all(db).await
        })?;
        let sql = format!("SELECT COUNT(*) FROM pull_request_pods p WHERE {IDLE}");
        let matching: i64 = read!(self, "count", "the idle previews", |db| {
            sqlx::query_scalar(&sql).bind(since).fetch_one(db).await
        })?;
        Ok(Listing {
            previews,
            matching: u32::try_from(matching).unwrap_or(u32::MAX),
        })
    }

    /// How many previews these teams have that are not removed, by what a person looks for.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn count_previews(&self, scope: Scope<'_>) -> Result<PreviewCounts, StoreError> {
        let counts: Counts = read!(self, "count", "the previews", |db| {
            let mut query = QueryBuilder::new("");
            push_counts(&mut query, scope);
            query.build_query_as().fetch_one(db).await
        })?;
        Ok(counts.into())
    }
}

#[derive(sqlx::FromRow)]
struct Counts {
    #[sqlx(try_from = "i64")]
    everything: u32,
    #[sqlx(try_from = "i64")]
    running: u32,
    #[sqlx(try_from = "i64")]
    in_progress: u32,
    #[sqlx(try_from = "i64")]
    failed: u32,
    #[sqlx(try_from = "i64")]
    blocked: u32,
}

impl From<Counts> for PreviewCounts {
    fn from(counts: Counts) -> Self {
        Self {
            all: counts.everything,
            running: counts.running,
            in_progress: counts.in_progress,
            failed: counts.failed,
            blocked: counts.blocked,
            over_quota: 0,
        }
    }
}

#[derive(sqlx::FromRow)]
struct TeamCounts {
    team: String,
    #[sqlx(flatten)]
    counts: Counts,
}

/// The columns of [`Counts`] over rows `p`.
const COUNTS: &str = "COUNT(*) AS everything,
     COUNT(*) FILTER (WHERE p.status = 'running') AS running,
     COUNT(*) FILTER (WHERE p.status IN ('pending', 'deploying')
                        AND p.blocked IS NULL) AS in_progress,
     COUNT(*) FILTER (WHERE p.status = 'failed') AS failed,
     COUNT(*) FILTER (WHERE p.blocked IS NOT NULL) AS blocked";

pub(crate) fn push_page<'a, DB>(
    query: &mut QueryBuilder<'a, DB>,
    scope: Scope<'a>,
    filter: &'a PreviewFilter,
) where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    &'a str: Encode<'a, DB> + Type<DB>,
    i64: Encode<'a, DB> + Type<DB>,
{
    query.push(format_args!("{PREVIEW} {PREVIEW_TABLES} WHERE "));
    push_conditions(query, scope, filter);
    query.push(order(filter));
    query
        .push(" LIMIT ")
        .push_bind(i64::from(filter.limit.min(MOST)))
        .push(" OFFSET ")
        .push_bind(i64::from(filter.offset));
}

pub(crate) fn push_counts<'a, DB>(query: &mut QueryBuilder<'a, DB>, scope: Scope<'a>)
where
    DB: Database,
    &'a str: Encode<'a, DB> + Type<DB>,
{
    query.push(format_args!(
        "SELECT {COUNTS} FROM pull_request_pods p WHERE p.is_current AND p.deleted_at IS NULL"
    ));
    push_scope(query, scope);
}

/// What needs a person first.
macro_rules! by_status {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "CASE WHEN p.blocked IS NOT NULL THEN 1
                WHEN p.status = 'failed' THEN 0
                WHEN p.status IN ('pending', 'deploying') THEN 2
                WHEN p.status = 'running' THEN 3
                ELSE 4 END",
            $after
        )
    };
}

/// How a page is ordered. Ties go by the newest change.
const fn order(filter: &PreviewFilter) -> &'static str {
    match (filter.order, filter.reverse) {
        // What is used, the store does not know.
        (PreviewOrder::Changed | PreviewOrder::Cpu | PreviewOrder::Memory, false) => {
            " ORDER BY p.updated_at DESC, p.id"
        }
        (PreviewOrder::Changed | PreviewOrder::Cpu | PreviewOrder::Memory, true) => {
            " ORDER BY p.updated_at, p.id DESC"
        }
        (PreviewOrder::Age, false) => " ORDER BY v.created_at DESC, p.updated_at DESC, p.id",
        (PreviewOrder::Age, true) => " ORDER BY v.created_at, p.updated_at DESC, p.id",
        (PreviewOrder::Status, false) => by_status!(" ORDER BY ", ", p.updated_at DESC, p.id"),
        (PreviewOrder::Status, true) => by_status!(" ORDER BY ", " DESC, p.updated_at DESC, p.id"),
        (PreviewOrder::Title, false) => {
            " ORDER BY LOWER(COALESCE(q.title, p.image_tag, p.branch)), p.updated_at DESC, p.id"
        }
        (PreviewOrder::Title, true) => {
            " ORDER BY LOWER(COALESCE(q.title, p.image_tag, p.branch)) DESC, p.updated_at DESC, p.id"
        }
    }
}

fn push_conditions<'a, DB>(
    query: &mut QueryBuilder<'a, DB>,
    scope: Scope<'a>,
    filter: &'a PreviewFilter,
) where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    &'a str: Encode<'a, DB> + Type<DB>,
{
    query.push(if filter.removed {
        "p.is_current AND p.deleted_at IS NOT NULL"
    } else {
        "p.is_current AND p.deleted_at IS NULL"
    });
    push_scope(query, scope);
    if !filter.statuses.is_empty() {
        query.push(" AND p.status IN (");
        let mut statuses = query.separated(", ");
        for status in &filter.statuses {
            statuses.push_bind(status.as_str());
        }
        query.push(")");
    }
    if let Some(source) = filter.source {
        query.push(" AND p.source = ").push_bind(source.as_str());
    }
    if filter.blocked {
        query.push(" AND p.blocked IS NOT NULL");
    }
    if let Some(repository) = &filter.repository {
        query
            .push(" AND r.full_name_key = ")
            .push_bind(repository.to_ascii_lowercase());
    }
    if let Some(search) = filter
        .search
        .as_deref()
        .map(str::trim)
        .filter(|s| !s.is_empty())
    {
        let columns = [
            "q.title",
            "p.image_tag",
            "p.branch",
            "r.full_name",
            "CAST(q.number AS TEXT)",
            "p.namespace",
        ];
        let mut before = " AND (";
        for column in columns {
            query
                .push(before)
                .push(format_args!("LOWER({column}) LIKE LOWER("))
                .push_bind(contains(search))
                .push(") ESCAPE '!'");
            before = " OR ";
        }
        query.push(")");
    }
}

fn push_scope<'a, DB>(query: &mut QueryBuilder<'a, DB>, scope: Scope<'a>)
where
    DB: Database,
    &'a str: Encode<'a, DB> + Type<DB>,
{
    if let Scope::Teams(names) = scope {
        query.push(" AND p.team_id IN (SELECT id FROM teams WHERE name IN ");
        push_names(query, names);
        query.push(")");
    }
}

/// `(…, …)`; for no names a list that contains nothing.
pub(crate) fn push_names<'a, DB>(query: &mut QueryBuilder<'a, DB>, names: &'a [String])
where
    DB: Database,
    &'a str: Encode<'a, DB> + Type<DB>,
{
    query.push("(NULL");
    for name in names {
        query.push(", ").push_bind(name.as_str());
    }
    query.push(")");
}

/// A `LIKE` pattern for texts that contain this one, whatever characters it is made of.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
