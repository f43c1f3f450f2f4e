//! Rounds: changes that are made together or not at all.
//!
//! A round reads items, says what becomes of them, and commits under the condition that none of what it read has
//! changed since: every write gives its item a new `revision`, and the condition names the one that was read. If
//! another was faster, nothing is written, and the next round begins with what is there then. An item that a round
//! writes without having read it must be new.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::database::record::Record;
use crate::stores::dynamodb::error::failed;
use crate::stores::dynamodb::key::Key;
use crate::stores::dynamodb::table::{Attributes, Table, attributes, key_attributes, text};
use crate::stores::error::{StoreError, StoreResult};

/// How long anything is tried, all rounds together.
const WORK_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause between two rounds.
const MAX_PAUSE_MILLIS: u64 = 200;
/// What says that another was faster.
const LOST: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

/// One round after the other, until one commits or says that there is nothing to be done.
#[derive(Debug)]
pub(super) struct Rounds<'table> {
    table: &'table Table,
    begun: Instant,
    number: u32,
}

type Seen = BTreeMap<Key, Option<Record>>;

/// One round.
#[derive(Debug)]
pub(super) struct Round<'table> {
    table: &'table Table,
    /// What was read; nothing if there was no such item.
    seen: Seen,
    /// What becomes of items; nothing if they are deleted.
    writes: BTreeMap<Key, Option<Record>>,
}

impl Table {
    /// Begins to change something.
    pub(super) fn rounds(&self) -> Rounds<'_> {
        Rounds {
            table: self,
            begun: Instant::now(),
            number: 0,
        }
    }
}

impl<'table> Rounds<'table> {
    /// The next round; after one that lost, only after a pause, whose length differs so that the same do not meet
    /// again.
    pub(super) async fn next(&mut self) -> StoreResult<Round<'table>> {
        if self.number > 0 {
            let longest = MAX_PAUSE_MILLIS.min(10 << self.number.min(5));
            let random = u64::from(Uuid::now_v7().as_bytes()[15]);
            sleep(Duration::from_millis(longest * random / 255)).await;
        }
        self.number += 1;
        if self.begun.elapsed() >= WORK_TIMEOUT {
            return Err(StoreError::Unavailable(anyhow!(
                "others changed the same items of table {} again and again for {} s",
                self.table.name,
                WORK_TIMEOUT.as_secs()
            )));
        }
        Ok(Round {
            table: self.table,
            seen: BTreeMap::new(),
            writes: BTreeMap::new(),
        })
    }
}

impl Round<'_> {
    /// An item as this round left it or saw it first; it must still be so when the round commits.
    pub(super) async fn get(&mut self, key: &Key) -> StoreResult<Option<Record>> {
        if let Some(known) = self.writes.get(key).or_else(|| self.seen.get(key)) {
            return Ok(known.clone());
        }
        let record = self.table.get(key).await?;
        self.seen.insert(key.clone(), record.clone());
        Ok(record)
    }

    /// An item that a list or several reads brought must still be so when the round commits.
    pub(super) fn hold(&mut self, record: &Record) {
        let seen = self.seen.entry(Key::of(record));
        seen.or_insert_with(|| Some(record.clone()));
    }

    /// What becomes of an item.
    pub(super) fn put(&mut self, record: Record) {
        self.writes.insert(Key::of(&record), Some(record));
    }

    /// An item is deleted; one that was not read, whatever it holds.
    pub(super) fn delete(&mut self, key: Key) {
        self.writes.insert(key, None);
    }

    /// Of two who count what is there before they add to it, one is first: each changes this item.
    pub(super) async fn take_turn(&mut self, key: &Key) -> StoreResult<()> {
        let mut turn = self.get(key).await?.unwrap_or_else(|| key.item());
        turn.add("number", 1);
        self.put(turn);
        Ok(())
    }

    /// Commits; `false` if another was faster, and nothing is written.
    pub(super) async fn commit(self) -> StoreResult<bool> {
        if self.writes.is_empty() {
            return Ok(true);
        }
        let is_alone =
            self.writes.len() == 1 && self.seen.keys().all(|key| self.writes.contains_key(key));
        match is_alone {
            true => self.commit_one().await,
            false => self.commit_all().await,
        }
    }

    /// One item costs half of what it does in a transaction.
    async fn commit_one(self) -> StoreResult<bool> {
        let Self {
            table,
            seen,
            writes,
        } = self;
        let Some((key, write)) = writes.into_iter().next() else {
            return Ok(true);
        };
        let condition = Condition::of(&seen, &key, write.is_some());
        let Some(mut record) = write else {
            let request = table
                .client
                .delete_item()
                .table_name(&table.name)
                .set_key(Some(key_attributes(&key)))
                .set_condition_expression(condition.expression())
                .set_expression_attribute_names(condition.names())
                .set_expression_attribute_values(condition.values());
            return match request.send().await {
                Ok(_) => Ok(true),
                Err(SdkError::ServiceError(context))
                    if matches!(
                        context.err(),
                        DeleteItemError::ConditionalCheckFailedException(_)
                            | DeleteItemError::TransactionConflictException(_)
                    ) =>
                {
                    Ok(false)
                }
                Err(error) => Err(failed(error, "delete an item")),
            };
        };
        let own = Uuid::now_v7().simple().to_string();
        record.set("revision", &own);
        let request = table
            .client
            .put_item()
            .table_name(&table.name)
            .set_item(Some(attributes(&record)))
            .set_condition_expression(condition.expression())
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(context)) => match context.err() {
                // The client repeats a request whose answer was lost; then the item is there as it was to be.
                PutItemError::ConditionalCheckFailedException(error) => Ok(error
                    .item()
                    .and_then(|item| item.get("revision"))
                    .is_some_and(|revision| *revision == text(&own))),
                PutItemError::TransactionConflictException(_) => Ok(false),
                _ => Err(failed(SdkError::ServiceError(context), "write an item")),
            },
            Err(error) => Err(failed(error, "write an item")),
        }
    }

    /// The client gives the transaction a token, so that one whose answer was lost is repeated without harm.
    async fn commit_all(self) -> StoreResult<bool> {
        let table = self.table;
        let mut request = table.client.transact_write_items();
        for item in self.transaction()? {
            request = request.transact_items(item);
        }
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(context)) => {
                let codes: Vec<&str> = match context.err() {
                    TransactWriteItemsError::TransactionCanceledException(error) => error
                        .cancellation_reasons()
                        .iter()
                        .filter_map(|reason| reason.code())
                        .filter(|code| *code != "None")
                        .collect(),
                    _ => Vec::new(),
                };
                if !codes.is_empty() && codes.iter().all(|code| LOST.contains(code)) {
                    return Ok(false);
                }
                let is_busy = codes.iter().any(|code| code.contains("Thro"));
                let error = failed(SdkError::ServiceError(context), "write items together");
                Err(match (is_busy, error) {
                    (true, StoreError::Failed(error)) => StoreError::Unavailable(error),
                    (_, error) => error,
                })
            }
            Err(error) => Err(failed(error, "write items together")),
        }
    }

    fn transaction(self) -> StoreResult<Vec<TransactWriteItem>> {
        let broken = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Failed(error.into());
        let name = &self.table.name;
        let revision = Uuid::now_v7().simple().to_string();
        let mut items = Vec::with_capacity(self.seen.len() + self.writes.len());
        for key in self
            .seen
            .keys()
            .filter(|key| !self.writes.contains_key(key))
        {
            let condition = Condition::of(&self.seen, key, true);
            let check = ConditionCheck::builder()
                .table_name(name)
                .set_key(Some(key_attributes(key)))
                .set_condition_expression(condition.expression())
                .set_expression_attribute_names(condition.names())
                .set_expression_attribute_values(condition.values())
                .build()
                .map_err(broken)?;
            items.push(TransactWriteItem::builder().condition_check(check).build());
        }
        for (key, write) in &self.writes {
            let condition = Condition::of(&self.seen, key, write.is_some());
            let item = TransactWriteItem::builder();
            items.push(match write {
                Some(record) => {
                    let mut record = record.clone();
                    record.set("revision", &revision);
                    let put = Put::builder()
                        .table_name(name)
                        .set_item(Some(attributes(&record)))
                        .set_condition_expression(condition.expression())
                        .set_expression_attribute_names(condition.names())
                        .set_expression_attribute_values(condition.values())
                        .build()
                        .map_err(broken)?;
                    item.put(put).build()
                }
                None => {
                    let delete = Delete::builder()
                        .table_name(name)
                        .set_key(Some(key_attributes(key)))
                        .set_condition_expression(condition.expression())
                        .set_expression_attribute_names(condition.names())
                        .set_expression_attribute_values(condition.values())
                        .build()
                        .map_err(broken)?;
                    item.delete(delete).build()
                }
            });
        }
        Ok(items)
    }
}

/// What must hold of an item for a round to commit.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    /// There is none.
    Absent,
    /// It has this revision.
    Revision(String),
    /// Nothing.
    Whatever,
}

impl Condition {
    fn of(seen: &Seen, key: &Key, is_kept: bool) -> Self {
        match (seen.get(key), is_kept) {
            (Some(Some(record)), _) => {
                Self::Revision(record.text("revision").unwrap_or_default().to_owned())
            }
            (Some(None), _) | (None, true) => Self::Absent,
            (None, false) => Self::Whatever,
        }
    }

    fn expression(&self) -> Option<String> {
        match self {
            Self::Absent => Some("attribute_not_exists(#name)".to_owned()),
            Self::Revision(_) => Some("#name = :revision".to_owned()),
            Self::Whatever => None,
        }
    }

    fn names(&self) -> Option<std::collections::HashMap<String, String>> {
        let name = match self {
            Self::Absent => "pk",
            Self::Revision(_) => "revision",
            Self::Whatever => return None,
        };
        Some([("#name".to_owned(), name.to_owned())].into())
    }

    fn values(&self) -> Option<Attributes> {
        match self {
            Self::Revision(revision) => Some([(":revision".to_owned(), text(revision))].into()),
            Self::Absent | Self::Whatever => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::dynamodb::key;

    #[test]
    fn what_was_read_must_be_as_it_was() {
        let (known, missing) = (key::job("known"), key::job("missing"));
        let mut record = known.item();
        record.set("revision", "7");
        let seen = [(known.clone(), Some(record)), (missing.clone(), None)].into();
        let revision = Condition::Revision("7".to_owned());
        assert_eq!(Condition::of(&seen, &known, true), revision);
        assert_eq!(Condition::of(&seen, &known, false), revision);
        assert_eq!(Condition::of(&seen, &missing, true), Condition::Absent);
        let other = key::job("other");
        assert_eq!(Condition::of(&seen, &other, true), Condition::Absent);
        assert_eq!(Condition::of(&seen, &other, false), Condition::Whatever);
    }
}
