//! The OpenAPI document: what holds for every operation is written into it here, so that no operation
//! can forget it, and what the document promises is kept by one middleware (`promises`).

pub mod promises;

use serde_json::json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{
    Content, Header, HeaderBuilder, KnownFormat, Object, ObjectBuilder, OpenApi, PathItem, Ref,
    RefOr, Response, ResponseBuilder, SchemaFormat, Tag, Type, tag::TagBuilder,
};

use crate::problem::{CONTENT_TYPE, Code};

/// The version of the API. The first number changes when a program that keeps to the document could
/// break, the second when there is more, the third when only words change.
pub const API_VERSION: &str = "1.0.0";

/// Every answer of the API says the version.
pub const VERSION_HEADER: &str = "api-version";

const RETRY_AFTER: &str = "Retry-After";

/// The parts of the API, in the order in which a program meets them.
const TAGS: [(&str, &str); 11] = [
    (
        "jobs",
        "A job turns a description into an application, or changes one. It runs for minutes.",
    ),
    (
        "events",
        "What happens in a job, as it happens. A stream that breaks off is resumed by the number of its last event.",
    ),
    (
        "projects",
        "An application over time: its versions, their files, and what is different between them.",
    ),
    (
        "attachments",
        "Files that belong to the description of a job.",
    ),
    (
        "templates",
        "What a new application can begin with, instead of nothing.",
    ),
    (
        "previews",
        "A version that runs under an address of its own, for a while.",
    ),
    (
        "deliveries",
        "A version that is brought to GitHub or Fly.io.",
    ),
    (
        "accounts",
        "Who asks, what they may do, and whom things belong to.",
    ),
    (
        "models",
        "Keys of model providers that a tenant brings: its jobs send them, and it pays the provider itself.",
    ),
    ("limits", "What a tenant used, and how much it may use."),
    ("health", "Whether the orchestrator works."),
];

/// Answers that every operation can give, by the names they have in the document.
const COMMON: [(&str, Code, &str); 7] = [
    (
        "InvalidRequest",
        Code::InvalidRequest,
        "The request is not valid: it names no host, or has a parameter that the operation does not know.",
    ),
    (
        "Forbidden",
        Code::Forbidden,
        "A page of another origin sends the request.",
    ),
    (
        "Misdirected",
        Code::Misdirected,
        "The request is for a host that the orchestrator does not serve.",
    ),
    (
        "TooFast",
        Code::TooFast,
        "More requests come than one client may send.",
    ),
    (
        "HeadTooLarge",
        Code::HeadTooLarge,
        "The address and the headers of the request have more than 32 KiB.",
    ),
    ("Internal", Code::Internal, "A fault of the orchestrator."),
    (
        "Unavailable",
        Code::Unavailable,
        "The answer took too long, because of something that the orchestrator depends on.",
    ),
];

/// What every operation that takes a body can answer, too.
const SLOW: (&str, Code, &str) = (
    "RequestTimeout",
    Code::RequestTimeout,
    "The body did not come in time.",
);

/// Writes into the document what holds for every operation.
pub fn complete(document: &mut OpenApi) {
    API_VERSION.clone_into(&mut document.info.version);
    document.tags = Some(TAGS.map(|(name, about)| tag(name, about)).into());
    let components = document.components.get_or_insert_default();
    for (name, header) in [
        (VERSION_HEADER, version_header()),
        (RETRY_AFTER, retry_after_header()),
    ] {
        components.headers.insert(name.to_owned(), RefOr::T(header));
    }
    for (name, code, about) in COMMON.into_iter().chain([SLOW]) {
        let mut response = ResponseBuilder::new().description(about).build();
        describe_problem(&mut response, code);
        add_version(&mut response);
        let name = name.to_owned();
        components.responses.insert(name, RefOr::T(response));
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            complete_operation(operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.patch.as_mut(),
        item.delete.as_mut(),
    ]
    .into_iter()
    .flatten()
}

fn complete_operation(operation: &mut Operation) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for (media_type, content) in &mut body.content {
            describe_bytes(media_type, content);
        }
    }
    let responses = &mut operation.responses.responses;
    for (status, response) in &mut *responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let of_status = |code: &Code| code.status().as_str() == status.as_str();
        match Code::ALL.into_iter().find(of_status) {
            Some(code) => describe_problem(response, code),
            None => {
                for (media_type, content) in &mut response.content {
                    describe_bytes(media_type, content);
                }
            }
        }
        add_version(response);
    }
    let slow = operation.request_body.is_some().then_some(SLOW);
    for (name, code, _) in COMMON.into_iter().chain(slow) {
        let status = code.status().as_str().to_owned();
        let response = responses.entry(status);
        response.or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
    }
}

/// An error answer is problem details, whatever kind it is.
fn describe_problem(response: &mut Response, code: Code) {
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    let mut example = json!({
        "type": code.type_uri(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": response.description,
        "instance": "urn:uuid:0192f0c1-2345-7000-8000-000000000000",
        "code": code.name(),
    });
    if may_be_repeated(code) {
        example["retry_after_secs"] = json!(5);
        let header = Ref::new(format!("#/components/headers/{RETRY_AFTER}"));
        let headers = &mut response.headers;
        headers.insert(RETRY_AFTER.to_owned(), RefOr::Ref(header));
    }
    content.example = Some(example);
    response.content.clear();
    let content = RefOr::T(content);
    response.content.insert(CONTENT_TYPE.to_owned(), content);
}

/// Whether its answers say when another attempt makes sense.
const fn may_be_repeated(code: Code) -> bool {
    matches!(
        code,
        Code::TooMany | Code::TooFast | Code::LimitReached | Code::Busy | Code::Unavailable
    )
}

/// What is no text is bytes, and not the list of numbers as which Rust has them.
fn describe_bytes(media_type: &str, content: &mut RefOr<Content>) {
    if let ("application/octet-stream" | "application/zip", RefOr::T(content)) =
        (media_type, content)
    {
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        content.schema = Some(bytes.into());
    }
}

fn add_version(response: &mut Response) {
    let header = Ref::new(format!("#/components/headers/{VERSION_HEADER}"));
    let headers = &mut response.headers;
    headers.insert(VERSION_HEADER.to_owned(), RefOr::Ref(header));
}

fn version_header() -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some("The version of the API that answers."))
        .build()
}

fn retry_after_header() -> Header {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0));
    HeaderBuilder::new()
        .schema(Some(seconds))
        .description(Some("After how many seconds another attempt makes sense."))
        .build()
}

fn tag(name: &str, about: &str) -> Tag {
    TagBuilder::new()
        .name(name)
        .description(Some(about))
        .build()
}
