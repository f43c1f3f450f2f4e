//! The gate before MiniStack: which requests pass, from which side, and signed by whom.

use crate::Cloud;
use crate::access::{self, Caller, KEY_HEADER};
use crate::body::hex;
use crate::hardening;
use crate::head::Head;
use crate::refusal::Refusal;
use crate::sigv4::{CONTENT_DIGEST, Signature};
use crate::task;
use sha2::{Digest as _, Sha256};
use std::time::SystemTime;

/// In which the target of a load balancer finds the name that was asked for, which the header `Host` cannot hold
/// (`app-gen-saas/src/previews/host.rs`).
const HOST_HEADER: &str = "x-app-gen-host";

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From this machine.
    Loopback,
    /// From a container.
    Bridge,
}

/// What happens to a request next.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is sent on, and its body as it comes. The digest is what the body must have.
    Pass { head: Head, digest: Option<String> },
    /// It is for a load balancer, if there is one of this name.
    Balance { head: Head, name: String },
    /// Its body is needed to judge it.
    Judge(Pending),
}

/// A request whose body is not read yet.
#[derive(Debug)]
pub(crate) struct Pending {
    head: Head,
    caller: Caller,
    /// Nothing where the caller is known without one.
    signature: Option<Signature>,
}

/// Judges a head.
pub(crate) fn open(
    config: &Cloud,
    side: Side,
    mut head: Head,
    now: SystemTime,
) -> Result<Step, Refusal> {
    let host = head.header("host").unwrap_or_default().to_ascii_lowercase();
    // Only the gate says which name was asked for.
    head.remove(|name| name == HOST_HEADER);
    if side == Side::Loopback
        && let Some(balancer) = balancer_of_host(&host, config.port)
    {
        return balance_by_host(head, &host, balancer, config.port);
    }
    from_page(&head)?;
    if !is_ours(&host, side, config) {
        return Err(Refusal::forbidden(
            "the local cloud does not answer to the name in the header Host",
        ));
    }
    if is_public(&head, side) {
        head.remove(|name| !matches!(name, "host" | "accept" | "user-agent"));
        return Ok(Step::Pass { head, digest: None });
    }
    if side == Side::Loopback && is_of_images(&head) {
        only_data(&mut head);
        return Ok(Step::Pass { head, digest: None });
    }
    if side == Side::Loopback && head.path().starts_with("/_alb/") {
        let name = head.path().split('/').nth(2).unwrap_or_default().to_owned();
        only_data(&mut head);
        head.set(HOST_HEADER, format!("{name}.alb.localhost:{}", config.port));
        return match is_name(&name) {
            true => Ok(Step::Balance { head, name }),
            false => Err(Refusal::malformed("the load balancer has an odd name")),
        };
    }
    signed(config, side, head, now)
}

/// A request that has to show a key.
fn signed(config: &Cloud, side: Side, mut head: Head, now: SystemTime) -> Result<Step, Refusal> {
    let key = read_key(config)?;
    let given = head.header(KEY_HEADER).map(str::to_owned);
    if let Some(given) = given {
        head.remove(|name| name == KEY_HEADER);
        return match side == Side::Loopback && access::is_key(&key, &given) {
            true => judge_or_pass(head, Caller::Operator, None, &key, now),
            false => Err(Refusal::forbidden(
                "the key is not that of this local cloud",
            )),
        };
    }
    if head.path().starts_with("/_") {
        return Err(Refusal::forbidden(
            "what MiniStack itself is asked takes the key of this local cloud",
        ));
    }
    let signature = Signature::of(&head)?;
    let caller = Caller::of(&signature.id)
        .filter(|caller| *caller != Caller::Operator || side == Side::Loopback)
        .ok_or_else(|| Refusal::forbidden("the access key is not known on this side"))?;
    judge_or_pass(head, caller, Some(signature), &key, now)
}

fn judge_or_pass(
    head: Head,
    caller: Caller,
    signature: Option<Signature>,
    key: &str,
    now: SystemTime,
) -> Result<Step, Refusal> {
    let digest = head.header(CONTENT_DIGEST).map(str::to_owned);
    let needs_body = match caller {
        Caller::Operator => is_judged(&head) || (digest.is_none() && signature.is_some()),
        _ => task::needs_body(&head) || digest.is_none(),
    };
    let pending = Pending {
        head,
        caller,
        signature,
    };
    if needs_body {
        return Ok(Step::Judge(pending));
    }
    // S3: objects may be of any size, and the head says what covers them.
    pending.verify(key, digest.as_deref().unwrap_or_default(), now)?;
    let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    match pending.caller {
        Caller::Operator => Ok(Step::Pass {
            head: pending.head,
            digest: digest.filter(is_digest),
        }),
        _ => Ok(Step::Judge(pending)),
    }
}

impl Pending {
    /// Whether the body has to be read before [`Pending::close`], or may be sent on as it comes.
    pub(crate) fn needs_body(&self) -> bool {
        self.caller == Caller::Operator
            || task::needs_body(&self.head)
            || self.head.header(CONTENT_DIGEST).is_none()
    }

    /// Judges the request with its body. Returns the head to send on, and the digest that a body
    /// must have which has not been read.
    pub(crate) fn close(
        self,
        config: &Cloud,
        body: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<(Head, Option<String>), Refusal> {
        let key = read_key(config)?;
        let claimed = self.head.header(CONTENT_DIGEST).map(str::to_owned);
        let found = body.map(|body| hex(&Sha256::digest(body)));
        self.verify(&key, found.as_deref().unwrap_or_default(), now)?;
        let is_digest = |text: &String| text.len() == 64;
        let claimed = claimed.filter(is_digest);
        if let (Some(found), Some(claimed)) = (&found, &claimed)
            && found != claimed
        {
            return Err(Refusal::forbidden(
                "the body is not the one that was signed",
            ));
        }
        let body = body.unwrap_or_default();
        match &self.caller {
            Caller::Operator => judge(&self.head, body)?,
            task => {
                let service = self
                    .signature
                    .as_ref()
                    .map_or("", |signature| &signature.service);
                let mut refusal = Refusal::forbidden("no project uses this local cloud");
                let platforms = config.read_platforms();
                let admits = |platform| task::check(task, service, &self.head, body, platform);
                let is_admitted = platforms.iter().any(|platform| {
                    let verdict = admits(platform);
                    verdict.map_err(|why| refusal = why).is_ok()
                });
                if !is_admitted {
                    return Err(refusal);
                }
            }
        }
        Ok((self.head, claimed))
    }

    fn verify(&self, key: &str, digest: &str, now: SystemTime) -> Result<(), Refusal> {
        let Some(signature) = &self.signature else {
            return Ok(());
        };
        let secret = access::secret_of(key, &signature.id);
        match signature.verify(&self.head, &secret, digest, now) {
            true => Ok(()),
            false => Err(Refusal::forbidden(
                "the signature was not made with the key of this local cloud",
            )),
        }
    }
}

/// Calls of the operator whose body is looked into.
fn is_judged(head: &Head) -> bool {
    registers(head) || is_form(head)
}

fn judge(head: &Head, body: &[u8]) -> Result<(), Refusal> {
    if is_judged(head) && head.header("content-encoding").is_some() {
        return Err(Refusal::malformed("this call may not be compressed"));
    }
    if registers(head) {
        hardening::definition(body)?;
    }
    match is_form(head) {
        true => hardening::form(body),
        false => Ok(()),
    }
}

fn registers(head: &Head) -> bool {
    head.header("x-amz-target").is_some_and(|target| {
        target
            .to_ascii_lowercase()
            .contains("registertaskdefinition")
    })
}

pub(crate) fn is_form(head: &Head) -> bool {
    head.header("content-type").is_some_and(|kind| {
        kind.to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    })
}

/// Refuses what a page of a browser sends.
pub(crate) fn from_page(head: &Head) -> Result<(), Refusal> {
    let site = head.header("sec-fetch-site").unwrap_or("none");
    match head.header("origin").is_none() && matches!(site, "none" | "same-origin") {
        true => Ok(()),
        false => Err(Refusal::forbidden("web pages may not ask this")),
    }
}

/// Whether the name is one of this gate. A page of another site that lets its own name point to this
/// machine asks under that name.
fn is_ours(host: &str, side: Side, config: &Cloud) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let for_containers = name == "host.docker.internal"
        || config
            .bridge
            .is_some_and(|bridge| bridge.to_string() == name);
    match side {
        // A recorder of calls listens on a port of its own.
        Side::Bridge => for_containers && port.bytes().all(|byte| byte.is_ascii_digit()),
        Side::Loopback => {
            let ours = for_containers
                || matches!(name, "127.0.0.1" | "localhost")
                || name.ends_with(".localhost");
            ours && port == config.port.to_string()
        }
    }
}

/// What is answered without a key: that MiniStack answers; and on the bridge what a task is given by
/// an address that only it knows.
fn is_public(head: &Head, side: Side) -> bool {
    if head.method != "GET" || !head.query().is_empty() {
        return false;
    }
    match side {
        Side::Loopback => head.path() == "/_ministack/health",
        Side::Bridge => {
            let parts: Vec<&str> = head.path().split('/').skip(1).collect();
            let is_token = |token: &str| token.len() >= 20 && access::is_plain(token);
            match parts[..] {
                ["v4", token] => is_token(token),
                ["v4", token, "task" | "stats"] | ["v4", token, "task", "stats"] => is_token(token),
                ["v2", "credentials", token] => is_token(token),
                _ => false,
            }
        }
    }
}

/// Whether it is for the registry of images that MiniStack has, too. The engine pushes and pulls
/// there as it does at the registry of this machine. By these paths MiniStack knows it as well.
fn is_of_images(head: &Head) -> bool {
    let path = head.path();
    let plain = !path.contains('%') && !path.split('/').any(|part| matches!(part, "." | ".."));
    let is_known = ["/blobs/", "/manifests/"]
        .iter()
        .any(|part| path.contains(part))
        || path.ends_with("/tags/list");
    plain
        && (path == "/v2/"
            || path.starts_with("/v2/") && !path.starts_with("/v2/email") && is_known)
}

/// What a name of this machine leads to.
struct Balancer<'host> {
    /// The load balancer's name.
    name: &'host str,
    /// Whether it is asked for one of its previews.
    is_preview: bool,
}

/// The load balancer that a name such as `NAME.alb.localhost:4566` belongs to, or
/// `LABEL.preview.NAME.alb.localhost:4566`.
fn balancer_of_host(host: &str, port: u16) -> Option<Balancer<'_>> {
    let name = host.strip_suffix(&format!(".alb.localhost:{port}"))?;
    let (label, name) = match name.split_once(".preview.") {
        Some((label, name)) => (Some(label), name),
        None => (None, name),
    };
    (is_name(name) && label.is_none_or(is_name)).then_some(Balancer {
        name,
        is_preview: label.is_some(),
    })
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// For people: the page behind a load balancer has a name of its own, so its requests come from
/// itself. MiniStack answers some paths below that name itself, and is asked by path instead.
///
/// A preview has an origin of its own, with nothing in it but the preview, so it may be in a frame. The name
/// goes on in a header, since the target would not see it otherwise.
fn balance_by_host(
    mut head: Head,
    host: &str,
    balancer: Balancer<'_>,
    port: u16,
) -> Result<Step, Refusal> {
    let Balancer { name, is_preview } = balancer;
    let own = format!("http://{host}");
    let from_itself = head.header("origin").is_none_or(|origin| origin == own)
        && matches!(
            head.header("sec-fetch-site").unwrap_or("none"),
            "none" | "same-origin"
        );
    // A link to the page, and not a frame around it.
    let is_link = head.method == "GET"
        && head.header("sec-fetch-mode") == Some("navigate")
        && (is_preview || head.header("sec-fetch-dest") == Some("document"));
    if !from_itself && !is_link {
        return Err(Refusal::forbidden("pages of other sites may not ask this"));
    }
    only_data(&mut head);
    let here = format!("127.0.0.1:{port}");
    if head.header("origin").is_some() {
        head.set("origin", format!("http://{here}"));
    }
    head.set(HOST_HEADER, host.to_owned());
    head.set("host", here);
    head.target = format!("/_alb/{name}{}", head.target);
    Ok(Step::Balance {
        head,
        name: name.to_owned(),
    })
}

/// Removes what would make a call of the cloud out of a request to a load balancer.
fn only_data(head: &mut Head) {
    if head
        .header("authorization")
        .is_some_and(|text| text.starts_with("AWS"))
    {
        head.remove(|name| name == "authorization");
    }
    head.remove(|name| name.starts_with("x-amz-") || name == KEY_HEADER);
}

fn read_key(config: &Cloud) -> Result<String, Refusal> {
    access::read_key(&config.key).map_err(|_| {
        Refusal::new(
            503,
            "the local cloud has no access key; cargo xtask cloud up makes one",
        )
    })
}
