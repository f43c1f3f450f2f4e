//! A store that nobody else uses.

use std::ops::Deref;
use std::sync::Arc;

use app_gen_saas::config::{Config, DynamoDbConfig, Environment};
use app_gen_saas::stores::{self, Store};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::local_cloud;

/// Another implementation of DynamoDB and SQS.
const OTHER: &str = "APP_GEN_TEST_DYNAMODB";

/// A store, and what must stay as long as it does.
pub struct TestStore {
    store: Arc<dyn Store>,
    _database: Option<TestDatabase>,
}

impl Deref for TestStore {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

/// The table and the queue, as the CDK app reads them.
#[derive(Deserialize)]
struct Schema {
    partition_key: String,
    sort_key: String,
    index: Index,
    queue: Queue,
}

#[derive(Deserialize)]
struct Index {
    name: String,
    partition_key: String,
    sort_key: String,
    attributes: Vec<String>,
}

#[derive(Deserialize)]
struct Queue {
    max_receives: u32,
}

impl TestStore {
    pub async fn sqlite() -> Self {
        Self::of(TestDatabase::sqlite()).await
    }

    pub async fn postgres() -> Self {
        Self::of(TestDatabase::postgres().await).await
    }

    async fn of(database: TestDatabase) -> Self {
        let variables = [
            ("DATABASE_URL", database.url.clone()),
            ("ARTIFACT_URI", "file:///nowhere".to_owned()),
            ("GENERATOR_COMMAND", "/bin/true".to_owned()),
        ];
        let environment = variables.into_iter().collect::<Environment>();
        let config = Config::from_environment(&environment).unwrap();
        Self {
            store: stores::connect(&config.store, &Arc::new(Notify::new()))
                .await
                .unwrap(),
            _database: Some(database),
        }
    }

    pub async fn dynamodb() -> Self {
        let text = std::fs::read_to_string("../app-gen-infra/cdk/lib/data/store.json").unwrap();
        let schema: Schema = serde_json::from_str(&text).unwrap();
        let sdk = sdk();
        let table = format!("test-{}", Uuid::now_v7().simple());
        let config = DynamoDbConfig {
            queue_url: create_queue(&sdk, &table, schema.queue.max_receives).await,
            table,
        };
        create_table(&sdk, &config.table, &schema).await;
        Self {
            store: stores::in_dynamodb(&sdk, &config, &Arc::new(Notify::new()))
                .await
                .unwrap(),
            _database: None,
        }
    }

    /// The same store, for another task.
    pub fn share(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

fn sdk() -> SdkConfig {
    let Ok(endpoint) = std::env::var(OTHER) else {
        return local_cloud::sdk();
    };
    let credentials =
        aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .build()
}

async fn create_table(sdk: &SdkConfig, name: &str, schema: &Schema) {
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(&schema.index.name)
        .key_schema(key(&schema.index.partition_key, KeyType::Hash))
        .key_schema(key(&schema.index.sort_key, KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(schema.index.attributes.clone()))
                .build(),
        )
        .build()
        .unwrap();
    let attributes = [
        &schema.partition_key,
        &schema.sort_key,
        &schema.index.partition_key,
        &schema.index.sort_key,
    ];
    let attributes = attributes.map(|name| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    });
    aws_sdk_dynamodb::Client::new(sdk)
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.to_vec()))
        .key_schema(key(&schema.partition_key, KeyType::Hash))
        .key_schema(key(&schema.sort_key, KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
}

/// A queue with one for its dead letters; its URL.
async fn create_queue(sdk: &SdkConfig, name: &str, max_receives: u32) -> String {
    let client = aws_sdk_sqs::Client::new(sdk);
    let dead = client
        .create_queue()
        .queue_name(format!("{name}-dead-letters"))
        .send()
        .await
        .unwrap();
    let attributes = client
        .get_queue_attributes()
        .queue_url(dead.queue_url.unwrap())
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let arn = attributes.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives });
    let queue = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::RedrivePolicy, policy.to_string())
        .send()
        .await
        .unwrap();
    queue.queue_url.unwrap()
}
