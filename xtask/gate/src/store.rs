//! What an orchestrator may ask of its table and its queue: the calls that its role has on AWS, on the platform's own
//! names.

use crate::Platform;
use serde_json::Value;

const DYNAMODB: &str = "DynamoDB_20120810.";
const SQS: &str = "AmazonSQS.";

/// Whether this is such a call.
pub(crate) fn may(target: &str, request: &Value, platform: &Platform) -> bool {
    if let Some(operation) = target.strip_prefix(DYNAMODB) {
        let tables = tables(operation, request);
        return !tables.is_empty()
            && tables
                .iter()
                .all(|table| table.is_some_and(|table| is_known(&platform.tables, table)));
    }
    let is_call = matches!(
        target.strip_prefix(SQS),
        Some("SendMessage" | "ReceiveMessage" | "DeleteMessage" | "GetQueueAttributes")
    );
    let queue = request["QueueUrl"].as_str().unwrap_or_default();
    let queue = queue.rsplit('/').next().unwrap_or_default();
    is_call && is_known(&platform.queues, queue)
}

fn is_known(known: &[String], name: &str) -> bool {
    known.iter().any(|known| known == name)
}

/// The tables of a call, each of them; none of one that the orchestrator does not make.
fn tables<'request>(operation: &str, request: &'request Value) -> Vec<Option<&'request str>> {
    match operation {
        "GetItem" | "PutItem" | "DeleteItem" | "Query" => vec![request["TableName"].as_str()],
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().into_iter();
            tables
                .flat_map(|tables| tables.keys().map(|name| Some(name.as_str())))
                .collect()
        }
        "TransactWriteItems" => {
            let items = request["TransactItems"].as_array().into_iter().flatten();
            let writes = items.flat_map(|item| item.as_object().into_iter().flatten());
            writes
                .map(|(kind, write)| match kind.as_str() {
                    "ConditionCheck" | "Put" | "Delete" => write["TableName"].as_str(),
                    _ => None,
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_orchestrator_reaches_its_own_table_and_queue_only() {
        let platform = crate::tests::platform();
        let may = |target: &str, request: Value| may(target, &request, &platform);
        let table = |operation: &str, name: &str| {
            may(
                &format!("{DYNAMODB}{operation}"),
                json!({ "TableName": name }),
            )
        };
        assert!(table("GetItem", "table") && table("Query", "table"));
        assert!(!table("GetItem", "other") && !table("DeleteTable", "table"));
        let all = |name: &str| json!({ "RequestItems": { "table": {}, name: {} } });
        assert!(may("DynamoDB_20120810.BatchGetItem", all("table")));
        assert!(!may("DynamoDB_20120810.BatchGetItem", all("other")));
        assert!(!may("DynamoDB_20120810.BatchGetItem", json!({})));
        let both = |kind: &str, name: &str| json!({ "TransactItems": [{ "Put": { "TableName": "table" } }, { kind: { "TableName": name } }] });
        assert!(may(
            "DynamoDB_20120810.TransactWriteItems",
            both("Delete", "table")
        ));
        assert!(!may(
            "DynamoDB_20120810.TransactWriteItems",
            both("Delete", "other")
        ));
        assert!(!may(
            "DynamoDB_20120810.TransactWriteItems",
            both("Update", "table")
        ));
        let queue = |operation: &str, name: &str| {
            let url = format!("http://localhost:4566/000000000000/{name}");
            may(&format!("{SQS}{operation}"), json!({ "QueueUrl": url }))
        };
        assert!(queue("SendMessage", "queue") && queue("ReceiveMessage", "queue"));
        assert!(!queue("SendMessage", "other") && !queue("PurgeQueue", "queue"));
    }
}
