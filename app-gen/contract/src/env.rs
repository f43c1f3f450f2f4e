//! The generator's environment. The AWS variables (`AWS_REGION`, `AWS_ENDPOINT_URL`,
//! `AWS_ACCESS_KEY_ID`, …) are those the AWS SDKs read and are not repeated here.

/// Where the job spec is: `s3://bucket/key` or `file:///absolute/path`. Takes precedence over the
/// variables of a manual run.
pub const JOB_SPEC_URI: &str = "JOB_SPEC_URI";

/// Optional: after so many seconds the generator ends by itself, whoever still waits for it. The
/// orchestrator sets the job's time and a margin.
pub const JOB_LIFETIME_SECS: &str = "JOB_LIFETIME_SECS";

/// Manual run: the job's id, `[A-Za-z0-9_-]{1,64}`.
pub const REQUEST_ID: &str = "REQUEST_ID";

/// Manual run: the description of the application.
pub const APP_DESCRIPTION: &str = "APP_DESCRIPTION";

/// Manual run, optional: the provider that makes the application; default `template`.
pub const GENERATOR_PROVIDER: &str = "GENERATOR_PROVIDER";

/// Manual run, optional: the folder for the job's results, `s3://…` or `file:///…`; default `./out`.
pub const ARTIFACT_URI: &str = "ARTIFACT_URI";

/// Manual run, optional: the model of every role that chooses none, by the provider's name for it.
pub const GENERATOR_MODEL: &str = "GENERATOR_MODEL";

/// Manual run, optional: how many US dollars the job may use, `0.50` for example.
pub const BUDGET_USD: &str = "BUDGET_USD";

/// Optional: the scripted model answers in place of every provider and plays this script, `create` for
/// example: one of those that the image has. No key is needed then.
pub const MODEL_SCRIPT: &str = "MODEL_SCRIPT";

/// Optional: certificates of authorities that are trusted besides those of the image, as PEM. A network
/// that inspects TLS has one of its own.
pub const EXTRA_CA_CERTIFICATES: &str = "EXTRA_CA_CERTIFICATES";

/// Optional: where keys are that the job's tenant brings, `anthropic=PLACE,openai=PLACE`: each place is the ARN of a
/// secret or `file:///absolute/path`. They come before keys of the environment.
pub const MODEL_KEYS: &str = "MODEL_KEYS";

/// Optional: `any` lets servers that a tenant names have addresses of a private network or of this machine;
/// default `public`.
pub const MODEL_ENDPOINTS: &str = "MODEL_ENDPOINTS";

/// The SHA-256 of an application's zip file in lower-case hexadecimal. Where it is set, the program is a preview
/// of that application and generates nothing.
pub const PREVIEW_SHA256: &str = "PREVIEW_SHA256";

/// Preview: after so many seconds it ends by itself, whoever still looks at it.
pub const PREVIEW_LIFETIME_SECS: &str = "PREVIEW_LIFETIME_SECS";

/// Preview, optional: the port at which it is given the application; default 0, any.
pub const PREVIEW_CONTROL_PORT: &str = "PREVIEW_CONTROL_PORT";

/// Preview, optional: the port of the application; default 0, any.
pub const PREVIEW_PORT: &str = "PREVIEW_PORT";

/// Of a delivery, optional: the base of GitHub's REST API, `https://HOST/api/v3` of a GitHub Enterprise Server;
/// default `https://api.github.com`.
pub const GITHUB_API_URL: &str = "GITHUB_API_URL";

/// Of a delivery, optional: the base of GitHub's repositories; default `https://github.com`.
pub const GITHUB_SERVER_URL: &str = "GITHUB_SERVER_URL";

/// Of a delivery, optional: the Machines API of Fly.io; default `https://api.machines.dev`.
pub const FLY_MACHINES_URL: &str = "FLY_MACHINES_URL";

/// Of a delivery, optional: the registry of Fly.io; default `registry.fly.io`.
pub const FLY_REGISTRY: &str = "FLY_REGISTRY";

/// Of a delivery, optional: where an app answers, with `{app}` for its name; default `https://{app}.fly.dev`.
pub const FLY_APP_URL: &str = "FLY_APP_URL";

/// Of a delivery to Fly.io: the image below the application, by digest. It has Node and npm.
pub const FLY_BASE_IMAGE: &str = "FLY_BASE_IMAGE";

/// Secret, optional: the token with which a version is delivered to GitHub. Only tasks that deliver have it.
pub const GITHUB_BOT_TOKEN: &str = "GITHUB_BOT_TOKEN";

/// Secret, optional: the token with which a version is delivered to Fly. Only tasks that deliver have it.
pub const FLY_API_TOKEN: &str = "FLY_API_TOKEN";
