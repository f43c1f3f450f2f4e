//! The table: items by their keys, lists in the order of keys, and what somebody has to look after.
//!
//! Everything but `work` is read as it was written last. The index `work` can be late by a moment: who finds
//! something there looks at the item itself before anything is done.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tokio::time::sleep;

use crate::database::record::{Record, Value};
use crate::stores::dynamodb::error::{damaged, failed};
use crate::stores::dynamodb::key::Key;
use crate::stores::error::{StoreError, StoreResult};

/// The index of what somebody has to look after, whomever it belongs to.
const WORK_INDEX: &str = "work";
/// Items that are asked for at once at most.
const MAX_KEYS: usize = 100;
/// How often what was left over of a request is asked for.
const MAX_LEFTOVERS: u32 = 8;
/// After every text that ends a key.
pub(super) const LAST: &str = "~";

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The table of an environment.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

/// Which items of a partition, in the order of their sort keys.
#[derive(Debug, Clone)]
pub(super) struct List {
    partition: String,
    from: String,
    to: String,
    is_newest_first: bool,
    limit: usize,
}

impl List {
    /// All that begin with this text.
    pub(super) fn of(partition: impl Into<String>, prefix: &str) -> Self {
        Self {
            partition: partition.into(),
            from: prefix.to_owned(),
            to: format!("{prefix}{LAST}"),
            is_newest_first: false,
            limit: usize::MAX,
        }
    }

    /// Only from this one on.
    pub(super) fn from(mut self, sort: String) -> Self {
        self.from = sort;
        self
    }

    /// Only up to this one.
    pub(super) fn to(mut self, sort: String) -> Self {
        self.to = sort;
        self
    }

    /// The last one first.
    pub(super) const fn newest_first(mut self) -> Self {
        self.is_newest_first = true;
        self
    }

    /// So many at most.
    pub(super) fn limit(mut self, limit: i64) -> Self {
        self.limit = usize::try_from(limit).unwrap_or(0);
        self
    }
}

impl Table {
    /// An item as it was written last.
    pub(super) async fn get(&self, key: &Key) -> StoreResult<Option<Record>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_attributes(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(error, "read an item"))?;
        answer.item.map(record).transpose()
    }

    /// Those of these items that there are.
    pub(super) async fn get_all(&self, mut keys: Vec<Key>) -> StoreResult<HashMap<Key, Record>> {
        // The same key twice is refused.
        keys.sort_unstable();
        keys.dedup();
        let mut found = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(MAX_KEYS) {
            let mut left: Vec<Attributes> = keys.iter().map(key_attributes).collect();
            let mut round = 0;
            while !left.is_empty() {
                if round > 0 {
                    self.pause_for_leftovers(round).await?;
                }
                round += 1;
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(left))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| StoreError::Failed(error.into()))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, request)
                    .send()
                    .await
                    .map_err(|error| failed(error, "read items"))?;
                for item in answer
                    .responses
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, items)| items)
                {
                    let record = record(item)?;
                    found.insert(Key::of(&record), record);
                }
                left = answer
                    .unprocessed_keys
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, request)| request.keys)
                    .collect();
            }
        }
        Ok(found)
    }

    /// Waits before what a busy table left over of a request is asked for again.
    async fn pause_for_leftovers(&self, round: u32) -> StoreResult<()> {
        if round > MAX_LEFTOVERS {
            let table = &self.name;
            return Err(StoreError::Unavailable(anyhow::anyhow!(
                "table {table} is busy: it left over parts of a request {MAX_LEFTOVERS} times"
            )));
        }
        sleep(Duration::from_millis(25 << round.min(5))).await;
        Ok(())
    }

    /// The items of a list.
    pub(super) async fn list(&self, list: &List) -> StoreResult<Vec<Record>> {
        self.query(list, None).await
    }

    /// What somebody has to look after of this kind, in the order in which it is due. Items hold what the index
    /// holds, and may be late.
    pub(super) async fn work(&self, kind: &str, limit: i64) -> StoreResult<Vec<Record>> {
        let list = List::of(kind, "").limit(limit);
        self.query(&list, Some(WORK_INDEX)).await
    }

    /// What is due up to this text.
    pub(super) async fn work_until(
        &self,
        kind: &str,
        until: String,
        limit: i64,
    ) -> StoreResult<Vec<Record>> {
        let list = List::of(kind, "").to(until).limit(limit);
        self.query(&list, Some(WORK_INDEX)).await
    }

    async fn query(&self, list: &List, index: Option<&str>) -> StoreResult<Vec<Record>> {
        let (partition, sort) = match index {
            Some(_) => ("work", "due"),
            None => ("pk", "sk"),
        };
        // No text is empty that is compared with a key.
        let from = match list.from.as_str() {
            "" => " ",
            from => from,
        };
        let mut records = Vec::new();
        if from > list.to.as_str() {
            // DynamoDB refuses a list that ends before it begins.
            return Ok(records);
        }
        let mut start: Option<Attributes> = None;
        while records.len() < list.limit {
            let rest = i32::try_from(list.limit - records.len()).ok();
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .set_index_name(index.map(str::to_owned))
                .key_condition_expression("#partition = :partition AND #sort BETWEEN :from AND :to")
                .expression_attribute_names("#partition", partition)
                .expression_attribute_names("#sort", sort)
                .expression_attribute_values(":partition", text(&list.partition))
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":to", text(&list.to))
                .scan_index_forward(!list.is_newest_first)
                .set_limit(rest)
                // An index knows no other reading.
                .consistent_read(index.is_none())
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed(error, "read a list of items"))?;
            for item in answer.items.unwrap_or_default() {
                records.push(record(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(records)
    }

    /// Deletes items whatever they hold.
    pub(super) async fn delete_all(&self, mut keys: Vec<Key>) -> StoreResult<()> {
        /// So many can be written at once.
        const MAX_WRITES: usize = 25;
        keys.sort_unstable();
        keys.dedup();
        for keys in keys.chunks(MAX_WRITES) {
            let mut left = Vec::with_capacity(keys.len());
            for key in keys {
                left.push(deletion(key)?);
            }
            let mut round = 0;
            while !left.is_empty() {
                if round > 0 {
                    self.pause_for_leftovers(round).await?;
                }
                round += 1;
                let answer = self
                    .client
                    .batch_write_item()
                    .request_items(&self.name, left)
                    .send()
                    .await
                    .map_err(|error| failed(error, "delete items"))?;
                left = answer
                    .unprocessed_items
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, requests)| requests)
                    .collect();
            }
        }
        Ok(())
    }
}

fn deletion(key: &Key) -> StoreResult<aws_sdk_dynamodb::types::WriteRequest> {
    let request = aws_sdk_dynamodb::types::DeleteRequest::builder()
        .set_key(Some(key_attributes(key)))
        .build()
        .map_err(|error| StoreError::Failed(error.into()))?;
    Ok(aws_sdk_dynamodb::types::WriteRequest::builder()
        .delete_request(request)
        .build())
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn key_attributes(key: &Key) -> Attributes {
    [
        ("pk".to_owned(), text(&key.partition)),
        ("sk".to_owned(), text(&key.sort)),
    ]
    .into()
}

/// A record as the table takes it.
pub(super) fn attributes(record: &Record) -> Attributes {
    let attribute = |value: &Value| match value {
        Value::Text(value) => text(value),
        Value::Integer(number) => AttributeValue::N(number.to_string()),
    };
    let pairs = record.0.iter();
    pairs
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect()
}

/// An item as a record. What is neither text nor number is of nobody here.
pub(super) fn record(attributes: Attributes) -> StoreResult<Record> {
    let mut record = Record::default();
    for (name, value) in attributes {
        let value = match value {
            AttributeValue::S(text) => Value::Text(text),
            AttributeValue::N(number) => Value::Integer(number.parse().map_err(|_| {
                damaged(format_args!("{number} as {name}, which is no whole number"))
            })?),
            _ => return Err(damaged(format_args!("neither text nor number as {name}"))),
        };
        record.0.insert(name, value);
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_table() {
        let mut record = Key::new("JOB#1", "JOB").item();
        record.set("name", "").set("size", i64::MAX);
        assert_eq!(super::record(attributes(&record)).unwrap(), record);
        let list: Attributes = [("list".to_owned(), AttributeValue::L(Vec::new()))].into();
        super::record(list).unwrap_err();
    }
}
