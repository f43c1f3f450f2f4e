//! A login in this process: the two endpoints of GoTrue that matter to the orchestrator, with keys that are made here,
//! of both kinds, and changed as a login changes them.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A key that tokens are signed with.
pub struct Signer {
    pub name: String,
    pair: Pair,
}

enum Pair {
    Es256(Box<EcdsaKeyPair>),
    Rs256(Box<RsaKeyPair>),
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub fn es256(name: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self {
            name: name.to_owned(),
            pair: Pair::Es256(Box::new(pair)),
        }
    }

    /// Ring makes no keys of this kind.
    pub async fn rs256(name: &str) -> Self {
        let made = Command::new("openssl")
            .args([
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .await
            .expect("openssl makes the RSA key of this test");
        assert!(made.status.success(), "openssl made no key");
        let text = String::from_utf8(made.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        let document = STANDARD.decode(lines.collect::<String>()).unwrap();
        Self {
            name: name.to_owned(),
            pair: Pair::Rs256(Box::new(RsaKeyPair::from_pkcs8(&document).unwrap())),
        }
    }

    /// What the login publishes of it.
    pub fn public(&self) -> Value {
        match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kid": self.name, "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..65]),
                })
            }
            Pair::Rs256(pair) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kid": self.name, "kty": "RSA", "alg": "RS256", "use": "sig",
                    "n": encoded(&key.n), "e": encoded(&key.e),
                })
            }
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
        }
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// A token as the login makes it.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "kid": self.name, "typ": "JWT" });
        self.token_with(&header, claims)
    }

    /// A token with any header, signed with this key.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = encoded(&self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// The first two parts of a token.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| encoded(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// A token that is signed with a secret.
pub fn with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = unsigned(header, claims);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encoded(tag.as_ref()))
}

/// Seconds since 1970, and so many more.
pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

#[derive(Default)]
struct Shared {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let keys = shared.keys.lock().unwrap().clone();
    Json(json!({ "keys": keys }))
}

/// The login.
pub struct Login {
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Login {
    pub async fn start(signers: &[&Signer]) -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/auth/v1/.well-known/jwks.json", get(keys))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let login = Self { url, shared, task };
        login.publish(signers);
        login
    }

    /// Publishes these keys instead of those before.
    pub fn publish(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| signer.public()).collect();
        *self.shared.keys.lock().unwrap() = keys;
    }

    /// How often it was asked for its keys.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// What a token of a user says.
    pub fn claims(&self, user: Uuid, email: &str) -> Value {
        json!({
            "iss": format!("{}/auth/v1", self.url),
            "aud": "authenticated",
            "role": "authenticated",
            "sub": user.to_string(),
            "email": email,
            "iat": in_seconds(0),
            "exp": in_seconds(3600),
            "app_metadata": { "provider": "email" },
            // Users can write this one.
            "user_metadata": { "app_gen_role": "operator" },
            "is_anonymous": false,
        })
    }

    /// The same, of an operator.
    pub fn operator(&self, user: Uuid, email: &str) -> Value {
        let mut claims = self.claims(user, email);
        claims["app_metadata"]["app_gen_role"] = json!("operator");
        claims
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.task.abort();
    }
}
