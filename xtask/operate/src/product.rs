//! The product as its users have it: the API of an environment's orchestrator, asked through its load
//! balancer. Answers stay JSON, as `app-gen-saas/openapi.json` describes them, so that what programs get of
//! `--json` is what the API said.

use crate::api_key;
use crate::deploy::release;
use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::http;

/// Of one request, its answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Of an answer of the API: 200 jobs with descriptions of 64 KiB at most.
const ANSWER_LIMIT_BYTES: u64 = 32 * 1024 * 1024;
/// What the API takes for a result at most.
const DOWNLOAD_LIMIT_BYTES: u64 = 512 * 1024 * 1024;

/// The product of an environment.
#[derive(Debug)]
pub struct Product {
    agent: Agent,
    base_url: String,
    /// The address of its page, for people.
    pub page_url: String,
}

impl Product {
    /// What the environment of the context serves.
    ///
    /// # Errors
    /// [`Code::Deploy`] if nothing has been deployed; the cloud does not answer.
    pub fn of(context: &Context) -> anyhow::Result<Self> {
        let name = &context.environment;
        let releases = release::list(context)?;
        let Some(current) = release::current(&releases) else {
            let message = format!("nothing has been deployed to environment {name}");
            return Err(Failure::new(Code::Deploy, message)
                .hint(format!("cargo xtask deploy --env {name}"))
                .into());
        };
        let (page_url, base_url) = current.service.addresses(context)?;
        let product = Self::at(&base_url);
        let config = http::config(&product.base_url, REQUEST_TIMEOUT);
        let config = api_key::with_key(config, context, &product.base_url);
        Ok(Self {
            page_url,
            agent: config.build().into(),
            ..product
        })
    }

    /// An orchestrator at this address: one of `dev`, for example.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let base_url = url.trim_end_matches('/').to_owned();
        Self {
            agent: http::agent(&base_url, REQUEST_TIMEOUT),
            page_url: format!("{base_url}/"),
            base_url,
        }
    }

    /// The answer to a GET request for a path of the API, `/api/projects` for example.
    ///
    /// # Errors
    /// The orchestrator does not answer ([`Code::Deploy`]), there is nothing of that name or the request is
    /// refused ([`Code::Failed`]), with its own words.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None)
    }

    /// The answer to a POST request.
    ///
    /// # Errors
    /// As [`Product::get`].
    pub fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body)
    }

    /// The answer to a POST request whose body is a file.
    ///
    /// # Errors
    /// As [`Product::get`].
    pub fn upload(&self, path: &str, bytes: Vec<u8>) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base_url))
            .header("content-type", "application/octet-stream")
            .body(bytes)?;
        let response = self.taken(self.agent.run(request))?;
        self.value(path, response)
    }

    /// The answer to a PATCH request.
    ///
    /// # Errors
    /// As [`Product::get`].
    pub fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, Some(body))
    }

    /// The lines of a live stream, as they come, for this time at most.
    ///
    /// # Errors
    /// As [`Product::get`].
    pub fn stream(
        &self,
        path: &str,
        bound: Duration,
    ) -> anyhow::Result<impl BufRead + Send + use<>> {
        let answer = self
            .agent
            .get(format!("{}{path}", self.base_url))
            .header("accept", "text/event-stream")
            .config()
            .timeout_global(Some(bound))
            .build()
            .call();
        Ok(BufReader::new(
            self.taken(answer)?.into_body().into_reader(),
        ))
    }

    /// Sends a DELETE request.
    ///
    /// # Errors
    /// As [`Product::get`].
    pub fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, path, None).map(drop)
    }

    /// The answer to a request; `null` where it has no body.
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let response = self.call(method, path, body)?;
        self.value(path, response)
    }

    /// The JSON of an answer; `null` where it has no body.
    fn value(&self, path: &str, mut response: Response<Body>) -> anyhow::Result<Value> {
        let body = response.body_mut().with_config().limit(ANSWER_LIMIT_BYTES);
        let text = body
            .read_to_string()
            .with_context(|| self.broke_off(path))?;
        match text.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_str(&text)
                .with_context(|| format!("the answer of {}{path} is not JSON", self.base_url)),
        }
    }

    /// Writes the body of an answer to a file that does not exist yet, and returns its size in bytes. The
    /// digest that the API named is compared.
    ///
    /// # Errors
    /// As [`Product::get`]; the file is there already, or cannot be written; the bytes are others than those
    /// that the API named, and the file is removed.
    pub fn download(&self, path: &str, file: &Path) -> anyhow::Result<u64> {
        let mut response = self.call(Method::GET, path, None)?;
        let named = response
            .headers()
            .get("etag")
            .and_then(|etag| etag.to_str().ok())
            .map(|etag| etag.trim_matches('"').to_owned());
        let mut target = File::create_new(file).map_err(|error| {
            Failure::new(
                Code::Failed,
                format!("{} cannot be written: {error}", file.display()),
            )
            .hint("name another file with --to")
        })?;
        let mut reader = response
            .body_mut()
            .with_config()
            .limit(DOWNLOAD_LIMIT_BYTES)
            .reader();
        let (mut digest, mut size_bytes) = (Sha256::new(), 0);
        let mut copy = || -> anyhow::Result<()> {
            let mut buffer = [0; 64 * 1024];
            loop {
                let length = reader
                    .read(&mut buffer)
                    .with_context(|| self.broke_off(path))?;
                if length == 0 {
                    return Ok(target.flush()?);
                }
                digest.update(&buffer[..length]);
                target.write_all(&buffer[..length])?;
                size_bytes += length as u64;
            }
        };
        let copied = copy();
        let digest = digest
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
        let checked = copied.and_then(|()| match named {
            Some(named) if named != digest => Err(Failure::new(
                Code::Failed,
                format!("{}{path} sent other bytes than it named", self.base_url),
            )
            .hint("try again; if it stays like that, the stored file is damaged")
            .into()),
            _ => Ok(size_bytes),
        });
        if checked.is_err() {
            let _ = std::fs::remove_file(file);
        }
        checked
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url));
        let answer = match body {
            None => self.agent.run(request.body(())?),
            Some(body) => self.agent.run(
                request
                    .header("content-type", "application/json")
                    .body(serde_json::to_vec(body)?)?,
            ),
        };
        self.taken(answer)
    }

    /// An answer that is a success.
    fn taken(&self, answer: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Response<Body>> {
        let answer = answer.map_err(|error| {
            Failure::new(
                Code::Deploy,
                format!("{} does not answer: {error}", self.base_url),
            )
            .hint("cargo xtask doctor")
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(answer).into())
    }

    fn broke_off(&self, path: &str) -> String {
        format!("the answer of {}{path} broke off", self.base_url)
    }
}

/// What an answer says that is no success, in the API's own words.
fn refusal(mut answer: Response<Body>) -> Failure {
    let status = answer.status();
    let body: Option<Value> = answer.body_mut().read_json().ok();
    let message = body.as_ref().and_then(|body| body["detail"].as_str());
    let code = match status.as_u16() {
        503 => Code::Service,
        _ => Code::Failed,
    };
    let failure = match message {
        Some(message) => Failure::new(code, message.to_owned()),
        None => Failure::new(code, format!("the orchestrator answers {status}")),
    };
    failure.hint(match status.as_u16() {
        401 => format!(
            "make an API key on the page of the environment, and set {} to it",
            api_key::API_KEY
        ),
        403 => format!("use a key that may do this: set {} to it", api_key::API_KEY),
        404 => "list what there is: cargo xtask projects list, cargo xtask jobs list, \
                cargo xtask templates list"
            .to_owned(),
        409 => "see what state it is in: cargo xtask projects show PROJECT, \
                cargo xtask jobs show JOB"
            .to_owned(),
        429 | 503 => "try again in a minute; cargo xtask doctor says what is wrong".to_owned(),
        500.. => "cargo xtask doctor".to_owned(),
        _ => "ask for something else: cargo xtask help says what each verb takes".to_owned(),
    })
}

/// A value as a part of a path or of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that gives one answer; what it was asked.
    fn server(answer: &'static str) -> (Product, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let product = Product::at(&format!("http://{}/", listener.local_addr().unwrap()));
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            // What was not read when the connection is closed would break the answer off.
            let mut length = 0;
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let header = header.trim().to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if header.is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            line
        });
        (product, asked)
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api() {
        let (product, asked) = server(
            "HTTP/1.1 409 Conflict\r\ncontent-length: 34\r\nconnection: close\r\n\r\n\
             {\"code\":\"changed\",\"detail\":\"busy\"}",
        );
        let error = product
            .send(Method::DELETE, "/api/projects/1", None)
            .unwrap_err();
        assert_eq!(error.to_string(), "busy");
        assert!(asked.join().unwrap().starts_with("DELETE /api/projects/1 "));
        let (product, _) = server("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        let answer = product.send(Method::DELETE, "/api/projects/1", None);
        assert_eq!(answer.unwrap(), Value::Null);
    }

    #[test]
    fn a_file_is_uploaded_as_it_is() {
        let (product, asked) = server(
            "HTTP/1.1 201 Created\r\ncontent-length: 10\r\nconnection: close\r\n\r\n{\"id\":\"7\"}",
        );
        let answer = product.upload("/api/attachments?name=a.txt", b"text".to_vec());
        assert_eq!(answer.unwrap()["id"], "7");
        let asked = asked.join().unwrap();
        assert!(
            asked.starts_with("POST /api/attachments?name=a.txt "),
            "{asked}"
        );
    }

    #[test]
    fn a_download_is_what_was_named_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.zip");
        let (product, _) = server(
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\netag: \"0000\"\r\nconnection: close\r\n\r\nzip",
        );
        let error = product.download("/a", &file).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("sent other bytes than it named")
        );
        assert!(!file.exists());
        let (product, _) =
            server("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nzip");
        let error = product.download("/a", &file).unwrap_err();
        assert!(error.to_string().contains("broke off"), "{error:#}");
        assert!(!file.exists());
        let (product, _) =
            server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nzip");
        assert_eq!(product.download("/a", &file).unwrap(), 3);
        let (product, _) =
            server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nnew");
        assert!(product.download("/a", &file).is_err());
        assert_eq!(
            std::fs::read(&file).unwrap(),
            b"zip",
            "nothing is overwritten"
        );
    }

    #[test]
    fn whoever_does_not_answer_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Product::at(&url).get("/api/jobs").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{url} does not answer")),
            "{error}"
        );
    }

    #[test]
    fn texts_are_parts_of_addresses() {
        assert_eq!(encoded("src/ä b&c.ts"), "src%2F%C3%A4%20b%26c.ts");
    }
}
