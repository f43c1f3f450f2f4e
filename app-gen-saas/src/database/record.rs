//! Rows without a database: what a thing is made of in every store, by the names of SQL's columns. A store
//! that keeps items instead of rows reads the same things from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::database::{
    ApiKey, Delivery, Invitation, Job, Member, PastAttempt, Preview, Project, Template, Tenant,
    Upload, Usage, Version,
};

/// A value of a column; one that is nothing is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Integer(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// The columns of a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record(pub BTreeMap<String, Value>);

impl Record {
    /// Sets a column.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(column.to_owned(), value.into());
        self
    }

    /// Sets a column, or empties it.
    pub fn set_or_clear(&mut self, column: &str, value: Option<impl Into<Value>>) -> &mut Self {
        match value {
            Some(value) => self.set(column, value),
            None => self.clear(column),
        }
    }

    /// Empties a column.
    pub fn clear(&mut self, column: &str) -> &mut Self {
        self.0.remove(column);
        self
    }

    /// A column's text; nothing if it is empty or a number.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a column has this text.
    #[must_use]
    pub fn is(&self, column: &str, text: &str) -> bool {
        self.text(column) == Some(text)
    }

    /// Whether a column holds something.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }

    /// A column's number; nothing if it is empty or a text.
    #[must_use]
    pub fn integer(&self, column: &str) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A column's number; 0 if it is empty.
    #[must_use]
    pub fn number(&self, column: &str) -> i64 {
        self.integer(column).unwrap_or(0)
    }

    /// Adds to a column's number, and gives the sum.
    pub fn add(&mut self, column: &str, more: i64) -> i64 {
        let sum = self.number(column).saturating_add(more);
        self.set(column, sum);
        sum
    }
}

/// What a thing is read from: a row of SQL, or a record.
pub trait Columns {
    /// The value of a column.
    ///
    /// # Errors
    /// When there is no such column, or its value is of another kind.
    fn try_get<'row, T: Cell<'row>, I: AsRef<str>>(&'row self, column: I) -> sqlx::Result<T>;
}

impl Columns for AnyRow {
    fn try_get<'row, T: Cell<'row>, I: AsRef<str>>(&'row self, column: I) -> sqlx::Result<T> {
        T::of_row(self, column.as_ref())
    }
}

impl Columns for Record {
    fn try_get<'row, T: Cell<'row>, I: AsRef<str>>(&'row self, column: I) -> sqlx::Result<T> {
        let column = column.as_ref();
        T::of_value(self.0.get(column))
            .ok_or_else(|| sqlx::Error::ColumnNotFound(column.to_owned()))
    }
}

/// A kind of value that columns have.
pub trait Cell<'row>: Sized {
    /// From a row of SQL.
    ///
    /// # Errors
    /// When there is no such column, or its value is of another kind.
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self>;

    /// From a value of a record; nothing when it is of another kind.
    fn of_value(value: Option<&'row Value>) -> Option<Self>;
}

impl<'row> Cell<'row> for &'row str {
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self> {
        sqlx::Row::try_get(row, column)
    }

    fn of_value(value: Option<&'row Value>) -> Option<Self> {
        match value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'row> Cell<'row> for String {
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self> {
        sqlx::Row::try_get(row, column)
    }

    fn of_value(value: Option<&'row Value>) -> Option<Self> {
        <&str>::of_value(value).map(str::to_owned)
    }
}

impl<'row> Cell<'row> for i64 {
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self> {
        sqlx::Row::try_get(row, column)
    }

    fn of_value(value: Option<&'row Value>) -> Option<Self> {
        match value {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }
}

impl<'row> Cell<'row> for Option<String> {
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self> {
        sqlx::Row::try_get(row, column)
    }

    fn of_value(value: Option<&'row Value>) -> Option<Self> {
        match value {
            None => Some(None),
            value => String::of_value(value).map(Some),
        }
    }
}

impl<'row> Cell<'row> for Option<i64> {
    fn of_row(row: &'row AnyRow, column: &str) -> sqlx::Result<Self> {
        sqlx::Row::try_get(row, column)
    }

    fn of_value(value: Option<&'row Value>) -> Option<Self> {
        match value {
            None => Some(None),
            value => i64::of_value(value).map(Some),
        }
    }
}

/// A thing that is read from columns.
pub trait FromColumns: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When a column is missing, or its value is of another kind.
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self>;
}

macro_rules! from_rows {
    ($($thing:ty),+ $(,)?) => {
        $(impl<'row> sqlx::FromRow<'row, AnyRow> for $thing {
            fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
                Self::from_columns(row)
            }
        })+
    };
}

from_rows!(
    ApiKey,
    Delivery,
    Invitation,
    Job,
    Member,
    PastAttempt,
    Preview,
    Project,
    Template,
    Tenant,
    Upload,
    Usage,
    Version,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_of_its_kind() {
        let mut record = Record::default();
        record.set("name", "shop").set("size", 5);
        assert_eq!(record.try_get::<String, _>("name").unwrap(), "shop");
        assert_eq!(record.try_get::<Option<i64>, _>("size").unwrap(), Some(5));
        assert_eq!(record.try_get::<Option<i64>, _>("none").unwrap(), None);
        record.try_get::<i64, _>("none").unwrap_err();
        record.try_get::<Option<i64>, _>("name").unwrap_err();
        assert_eq!((record.add("size", 2), record.add("new", 1)), (7, 1));
    }
}
