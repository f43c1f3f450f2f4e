//! Fills a database with rows, all of them or none.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::config::DatabaseKind;
use crate::database::Database;
use crate::database::content::{Row, TABLES, Table, step};

/// SQLite takes 32,766 values in one statement, and the widest table has about 60 columns.
const ROWS_AT_ONCE: usize = 200;

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

/// A transaction that fills the tables. Dropped, it leaves the database as it was.
#[derive(Debug)]
pub struct Refill {
    transaction: Transaction<'static, Any>,
    database: DatabaseKind,
    /// The columns of each table that rows were added to.
    columns: BTreeMap<&'static str, BTreeMap<String, Kind>>,
}

impl Refill {
    /// Begins it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(database: &Database, kind: DatabaseKind) -> anyhow::Result<Self> {
        let begin = match kind {
            DatabaseKind::Sqlite => "BEGIN IMMEDIATE",
            DatabaseKind::Postgres => "BEGIN",
        };
        let transaction = step(database.pool.begin_with(begin)).await?;
        Ok(Self {
            transaction,
            database: kind,
            columns: BTreeMap::new(),
        })
    }

    /// The first table that has rows, of those that a backup has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_table_with_rows(&mut self) -> sqlx::Result<Option<&'static str>> {
        for table in TABLES {
            let text = format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT 1) AS found",
                table.name
            );
            let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(text));
            if step(query.fetch_one(&mut *self.transaction)).await? > 0 {
                return Ok(Some(table.name));
            }
        }
        Ok(None)
    }

    /// Removes all rows of the tables that a backup has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear(&mut self) -> sqlx::Result<()> {
        for table in TABLES.iter().rev() {
            let text = format!("DELETE FROM {}", table.name);
            step(sqlx::query(AssertSqlSafe(text)).execute(&mut *self.transaction)).await?;
        }
        Ok(())
    }

    /// Adds rows to a table. Columns that they do not name have their default.
    ///
    /// # Errors
    /// When the database fails, or a row does not fit the table.
    pub async fn add(&mut self, table: Table, rows: &[Row]) -> anyhow::Result<()> {
        if !self.columns.contains_key(table.name) {
            let columns = self.columns_of(table).await?;
            self.columns.insert(table.name, columns);
        }
        let columns = self.columns.get(table.name).context("no columns")?;
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let text = insertion(table, columns, rows)?;
            let mut query = sqlx::query(AssertSqlSafe(text));
            for row in rows {
                for (name, value) in row {
                    query = bound(query, columns.get(name), value)
                        .with_context(|| format!("column {name} of table {}", table.name))?;
                }
            }
            step(query.execute(&mut *self.transaction))
                .await
                .with_context(|| format!("failed to fill table {}", table.name))?;
        }
        Ok(())
    }

    /// Lets everybody see what was added.
    ///
    /// # Errors
    /// When the database fails; it is as it was then, or filled.
    pub async fn commit(self) -> sqlx::Result<()> {
        step(self.transaction.commit()).await
    }

    async fn columns_of(&mut self, table: Table) -> sqlx::Result<BTreeMap<String, Kind>> {
        let text = match self.database {
            DatabaseKind::Sqlite => "SELECT name, LOWER(type) FROM pragma_table_info($1)",
            DatabaseKind::Postgres => {
                "SELECT column_name::TEXT, data_type::TEXT FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = $1"
            }
        };
        let query = sqlx::query_as::<_, (String, String)>(text).bind(table.name);
        let columns = step(query.fetch_all(&mut *self.transaction)).await?;
        let kind = |kind: String| match kind.as_str() {
            "text" => Kind::Text,
            _ => Kind::Number,
        };
        Ok(columns
            .into_iter()
            .map(|(name, declared)| (name, kind(declared)))
            .collect())
    }
}

/// The statement that adds rows of one form.
fn insertion(
    table: Table,
    columns: &BTreeMap<String, Kind>,
    rows: &[Row],
) -> anyhow::Result<String> {
    let first = rows.first().context("no rows")?;
    let mut names = Vec::with_capacity(first.len());
    // A name becomes a part of the statement, so that it has to be one of the database's own.
    for name in first.keys() {
        ensure!(
            columns.contains_key(name),
            "table {} has no column {name:?}",
            table.name
        );
        names.push(format!("\"{name}\""));
    }
    ensure!(
        rows.iter().all(|row| row.keys().eq(first.keys())),
        "the rows of table {} have different columns",
        table.name
    );
    let width = names.len();
    let tuple = |row: usize| {
        let places: Vec<String> = (1..=width)
            .map(|column| format!("${}", row * width + column))
            .collect();
        format!("({})", places.join(", "))
    };
    let tuples: Vec<String> = (0..rows.len()).map(tuple).collect();
    Ok(format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names.join(", "),
        tuples.join(", ")
    ))
}

/// The query with the next value. PostgreSQL wants to know the type even of what is not there.
fn bound<'query>(
    query: Query<'query, Any, AnyArguments>,
    kind: Option<&Kind>,
    value: &Value,
) -> anyhow::Result<Query<'query, Any, AnyArguments>> {
    Ok(match (kind, value) {
        (Some(Kind::Text), Value::Null) => query.bind(None::<String>),
        (Some(Kind::Number), Value::Null) => query.bind(None::<i64>),
        (Some(Kind::Text), Value::String(text)) => query.bind(text.clone()),
        (Some(Kind::Number), Value::Number(number)) => {
            query.bind(number.as_i64().context("it is no whole number")?)
        }
        _ => bail!("it does not take such a value"),
    })
}
