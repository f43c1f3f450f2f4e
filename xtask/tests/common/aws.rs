//! Calls of `xtask-aws`, as the commands make them.

use crate::common::instance;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use xtask_aws_api::calls::{Call, Envelope};

/// What the local cloud on this port, which has this key, answers. It must succeed.
pub(crate) fn call<R: Call>(
    checkout: &Path,
    (cloud_port, key): (u16, &str),
    request: R,
) -> R::Answer {
    let envelope = Envelope {
        environment: "local".to_owned(),
        manifest: Some(checkout.join(app_gen_infra::MANIFEST_PATH)),
        endpoint: Some(format!("http://127.0.0.1:{cloud_port}")),
        request: request.into(),
    };
    let mut child = Command::new(instance::xtask_aws())
        .envs([instance::VARIABLE])
        .env("APP_GEN_CLOUD_KEY", key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&serde_json::to_vec(&envelope).unwrap())
        .unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", R::NAME);
    serde_json::from_slice(&output.stdout).unwrap()
}
