//! Reads all rows as they were at one moment.

use async_stream::try_stream;
use futures::{Stream, TryStreamExt as _};
use serde_json::Value;
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Any, AssertSqlSafe, Column as _, Row as _, Transaction, TypeInfo as _, ValueRef as _};

use crate::config::DatabaseKind;
use crate::database::Database;
use crate::database::content::{Row, Table, step};

/// The rows of one moment, whatever is written meanwhile: all tables are read in one transaction.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Any>,
}

impl Snapshot {
    /// Takes it; nobody waits for its end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take(database: &Database, kind: DatabaseKind) -> sqlx::Result<Self> {
        let begin = match kind {
            DatabaseKind::Sqlite => "BEGIN",
            DatabaseKind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let mut transaction = step(database.pool.begin_with(begin)).await?;
        // The moment is that of the first read.
        step(sqlx::query("SELECT COUNT(*) FROM duties").execute(&mut *transaction)).await?;
        Ok(Self { transaction })
    }

    /// The rows of a table, by its key, as the database sends them: none is kept.
    ///
    /// A row fails where the database does, or where it holds what is neither text nor a whole number.
    pub fn rows(&mut self, table: Table) -> impl Stream<Item = sqlx::Result<Row>> + Send + '_ {
        let text = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key);
        try_stream! {
            let mut rows = sqlx::query(AssertSqlSafe(text)).fetch(&mut *self.transaction);
            while let Some(row) = step(rows.try_next()).await? {
                yield read(&row)?;
            }
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(self) -> sqlx::Result<()> {
        step(self.transaction.rollback()).await
    }
}

fn read(row: &AnyRow) -> sqlx::Result<Row> {
    row.columns()
        .iter()
        .map(|column| {
            let place = column.ordinal();
            let raw = row.try_get_raw(place)?;
            let kind = raw.type_info().kind();
            let value = match kind {
                _ if raw.is_null() => Value::Null,
                AnyTypeInfoKind::SmallInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::BigInt => {
                    row.try_get::<i64, _>(place)?.into()
                }
                AnyTypeInfoKind::Text => row.try_get::<String, _>(place)?.into(),
                _ => {
                    return Err(sqlx::Error::ColumnDecode {
                        index: column.name().to_owned(),
                        source: format!("a backup has no place for {}", raw.type_info().name())
                            .into(),
                    });
                }
            };
            Ok((column.name().to_owned(), value))
        })
        .collect()
}
