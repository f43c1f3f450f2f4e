//! Who asks, and what they may do.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::accounts::token::User;
use crate::app::App;
use crate::error::ApiError;

/// The one tenant where nobody is asked who they are. Everything from before there were tenants is its.
pub const LOCAL: &str = "local";

/// What a key may do. Whoever signed in may do all of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything of the tenant.
    Read,
    /// Create, change and remove.
    Write,
    /// Bring versions to places outside.
    Deliver,
    /// Set and remove the tenant's own keys of model providers.
    Models,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Deliver, Self::Models];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Deliver => "deliver",
            Self::Models => "models",
        }
    }

    /// Those whose names a text has, with spaces between them.
    #[must_use]
    pub fn listed(names: &str) -> Vec<Self> {
        let has = |scope: &Self| names.split(' ').any(|name| name == scope.as_str());
        Self::ALL.into_iter().filter(has).collect()
    }
}

/// Somebody who signed in, in one of their tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// Where.
    pub tenant: String,
    /// Whether it is theirs.
    pub is_owner: bool,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody knows.
    Nobody,
    /// Somebody who signed in, or anybody where there are no accounts.
    Member(Member),
    /// A program.
    Key {
        /// Id of the key.
        id: String,
        /// What it opens.
        tenant: String,
        /// Who made it.
        user_id: String,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// Whoever has a ticket for the stream of a job.
    Ticket {
        /// The tenant of the job.
        tenant: String,
        /// Its id.
        job: String,
    },
}

impl Identity {
    /// Everybody, where there are no accounts.
    #[must_use]
    pub fn local() -> Self {
        Self::Member(Member {
            user: User {
                id: LOCAL.to_owned(),
                email: String::new(),
                is_operator: true,
            },
            tenant: LOCAL.to_owned(),
            is_owner: true,
        })
    }

    /// The tenant whose things they get at.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Member(member) => Some(&member.tenant),
            Self::Key { tenant, .. } | Self::Ticket { tenant, .. } => Some(tenant),
        }
    }

    /// # Errors
    /// They may not do this.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        match self {
            Self::Member(_) => Ok(()),
            Self::Key { scopes, .. } if scopes.contains(&scope) => Ok(()),
            Self::Key { .. } => Err(ApiError::Forbidden(
                "the API key does not have the scope for this; make one that has it",
            )),
            Self::Nobody | Self::Ticket { .. } => Err(SIGN_IN),
        }
    }
}

/// Nobody says who they are.
pub(super) const SIGN_IN: ApiError =
    ApiError::Unauthenticated("sign in, or send an API key, as Authorization: Bearer");

impl FromRequestParts<App> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        // What is behind the guard has an identity; anything else is not to be reached.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::Internal(anyhow::anyhow!("{} has no guard", parts.uri.path())))
    }
}

/// The id of the tenant of whoever asks.
#[derive(Debug)]
pub struct Tenant(pub String);

impl FromRequestParts<App> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let identity = Identity::from_request_parts(parts, app).await?;
        let tenant = identity.tenant().ok_or(SIGN_IN)?;
        Ok(Self(tenant.to_owned()))
    }
}

/// Somebody who signed in, where there are accounts.
#[derive(Debug)]
pub struct Person(pub Member);

impl FromRequestParts<App> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if !app.accounts.has_login() {
            return Err(ApiError::Changed(
                "this environment has no accounts: its AUTH_MODE is none",
            ));
        }
        match Identity::from_request_parts(parts, app).await? {
            Identity::Member(member) => Ok(Self(member)),
            Identity::Key { .. } => Err(ApiError::Forbidden(
                "an API key may not do this; sign in on the page",
            )),
            Identity::Nobody | Identity::Ticket { .. } => Err(SIGN_IN),
        }
    }
}
