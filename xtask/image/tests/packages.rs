//! npm's packages in folders named by what asks for them, with the real npm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context};
use std::fs;
use std::path::{Path, PathBuf};
use xtask_image::packages;

/// A page without dependencies: nothing to download.
fn page(checkout: &Checkout, version: &str) -> PathBuf {
    checkout.write(
        "page/package.json",
        &format!("{{\"name\":\"page\",\"version\":\"{version}\"}}\n"),
    );
    checkout.write(
        "page/package-lock.json",
        &format!(
            "{{\"name\":\"page\",\"version\":\"{version}\",\"lockfileVersion\":3,\"packages\":\
             {{\"\":{{\"name\":\"page\",\"version\":\"{version}\"}}}}}}\n"
        ),
    );
    checkout.path("page")
}

fn installations(checkout: &Checkout) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(checkout.path("target/xtask/npm"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

fn link(page: &Path) -> PathBuf {
    fs::read_link(page.join("node_modules")).unwrap()
}

#[test]
fn each_lock_file_has_an_installation_of_its_own() {
    let checkout = Checkout::new();
    let context = context(checkout.root());
    let page_one = page(&checkout, "1.0.0");
    let one = packages::ensure(&context, &page_one).unwrap();
    assert_eq!(link(&page_one), one);
    fs::write(one.join("mark"), "").unwrap();
    assert_eq!(packages::ensure(&context, &page_one).unwrap(), one);
    assert!(one.join("mark").exists(), "installed a second time");

    let page_two = page(&checkout, "2.0.0");
    let two = packages::ensure(&context, &page_two).unwrap();
    assert_ne!(one, two);
    assert_eq!(link(&page_two), two);

    // The first lock file again: its installation is still there.
    let page_one = page(&checkout, "1.0.0");
    assert_eq!(packages::ensure(&context, &page_one).unwrap(), one);
    assert!(one.join("mark").exists());
    assert_eq!(installations(&checkout).len(), 2);
}

#[test]
fn a_folder_that_npm_made_gives_way_to_the_link() {
    let checkout = Checkout::new();
    let page = page(&checkout, "1.0.0");
    checkout.write("page/node_modules/old/index.js", "");
    let modules = packages::ensure(&context(checkout.root()), &page).unwrap();
    assert_eq!(link(&page), modules);
    assert!(!page.join("node_modules/old").exists());
}

#[test]
fn a_failed_installation_leaves_nothing_and_is_repeated() {
    let checkout = Checkout::new();
    let page = page(&checkout, "1.0.0");
    let context = context(checkout.root());
    // Not what the lock file was made from: `npm ci` refuses.
    checkout.write(
        "page/package.json",
        "{\"name\":\"page\",\"version\":\"1.0.0\",\"dependencies\":{\"absent\":\"1.0.0\"}}\n",
    );
    for _ in 0..2 {
        let error = format!("{:#}", packages::ensure(&context, &page).unwrap_err());
        assert!(error.contains("npm ci"), "{error}");
        assert!(installations(&checkout).is_empty());
        assert!(page.join("node_modules").symlink_metadata().is_err());
    }
}
