//! What the gate answers when it does not pass a request on.

/// A request that is not passed on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: u16,
    /// A sentence for a person.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The request is not HTTP/1.1 as the gate reads it.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// The request is understood, and not allowed.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// The answer, in the form that a client of this kind reads.
    pub(crate) fn answer(&self, form: Form, with_body: bool) -> Vec<u8> {
        let message = printable(&self.message);
        let code = match self.status {
            400 => "InvalidRequest",
            403 => "AccessDenied",
            503 => "ServiceUnavailable",
            _ => "Refused",
        };
        let (kind, body) = match form {
            Form::Json => (
                "application/json",
                serde_json::json!({
                    "__type": format!("{code}Exception"),
                    "message": message,
                    "errors": [{ "code": "DENIED", "message": message }],
                })
                .to_string(),
            ),
            Form::Xml => (
                "application/xml",
                format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
            ),
            Form::Query => (
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error></ErrorResponse>"
                ),
            ),
        };
        let reason = match self.status {
            400 => "Bad Request",
            403 => "Forbidden",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Refused",
        };
        let mut answer = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n",
            self.status,
            body.len()
        );
        if with_body {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

/// The kinds of clients that read a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON protocols of AWS, the engine and the registry.
    Json,
    /// S3.
    Xml,
    /// The query protocol of AWS.
    Query,
}

/// The text without what a terminal, XML or a log would take for something else.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(500)
        .map(|sign| match sign {
            '<' | '>' | '&' => '?',
            sign if sign == ' ' || sign.is_ascii_graphic() => sign,
            _ => '?',
        })
        .collect()
}
