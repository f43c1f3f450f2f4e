//! The local cloud of the tests. Where it does not run: `APP_GEN_LOCAL_INSTANCE=test cargo xtask cloud up`.

use std::sync::LazyLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};

/// Where it answers. One line of the manifest needs no reader of it, which would have these tests compiled with
/// other dependencies than the binary.
pub static ENDPOINT: LazyLock<String> = LazyLock::new(|| {
    let manifest = std::fs::read_to_string("../app-gen-infra/platform.toml").unwrap();
    let (_, table) = manifest.split_once("[local_test]").unwrap();
    let port = table
        .lines()
        .find_map(|line| line.strip_prefix("cloud_port = "));
    format!("http://127.0.0.1:{}", port.unwrap())
});

/// Its key, which its gate asks for.
pub static KEY: LazyLock<String> = LazyLock::new(|| {
    let state = std::env::var("XDG_STATE_HOME")
        .unwrap_or_else(|_| format!("{}/.local/state", std::env::var("HOME").unwrap()));
    let port = ENDPOINT.rsplit(':').next().unwrap();
    let file = format!("{state}/app-gen/test/gate/key-{port}");
    std::fs::read_to_string(file).expect("the local cloud of the tests was never started")
});
pub const KEY_HEADER: &str = "x-app-gen-key";

/// What clients of it begin with.
pub fn sdk() -> SdkConfig {
    let credentials = Credentials::new("operator", &*KEY, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&*ENDPOINT)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
