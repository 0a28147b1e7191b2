//! The preview list: one page of it, and the counts over all of it.

use catalyst_model::views::{PreviewCounts, PreviewFilter, PreviewList};
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

impl Store {
    /// A page of the previews of these teams, newest change first: one row a pull request. The
    /// counts are over all their previews that are not removed, whatever the filter.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn list_previews(
        &self,
        scope: Scope<'_>,
        filter: &PreviewFilter,
    ) -> Result<PreviewList, StoreError> {
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
        Ok(PreviewList {
            previews: previews.iter().map(Preview::summary).collect(),
            counts: self.count_previews(scope).await?,
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
        Ok(PreviewCounts {
            all: counts.everything,
            running: counts.running,
            in_progress: counts.in_progress,
            failed: counts.failed,
            blocked: counts.blocked,
        })
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
    query
        .push(" ORDER BY p.updated_at DESC, p.id LIMIT ")
        .push_bind(i64::from(filter.limit.min(MOST)))
        .push(" OFFSET ")
        .push_bind(i64::from(filter.offset));
}

pub(crate) fn push_counts<'a, DB>(query: &mut QueryBuilder<'a, DB>, scope: Scope<'a>)
where
    DB: Database,
    &'a str: Encode<'a, DB> + Type<DB>,
{
    query.push(
        "SELECT COUNT(*) AS everything,
             COUNT(*) FILTER (WHERE p.status = 'running') AS running,
             COUNT(*) FILTER (WHERE p.status IN ('pending', 'deploying')
                                AND p.blocked IS NULL) AS in_progress,
             COUNT(*) FILTER (WHERE p.status = 'failed') AS failed,
             COUNT(*) FILTER (WHERE p.blocked IS NOT NULL) AS blocked
         FROM pull_request_pods p
         WHERE p.is_current AND p.deleted_at IS NULL",
    );
    push_scope(query, scope);
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
