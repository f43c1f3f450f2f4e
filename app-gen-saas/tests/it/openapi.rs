//! The OpenAPI document in the repository is the one that the server serves. The page's types are made
//! from it.

use std::fs;
use std::path::Path;

#[test]
fn openapi_json_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut document = app_gen_saas::router::openapi().to_pretty_json().unwrap();
    document.push('\n');
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == document,
        "app-gen-saas/openapi.json is out of date: run `UPDATE=1 cargo test -p app-gen-saas openapi_json`"
    );
}
