//! Where the token is while a version is sent: in no argument, no environment and no file.

use crate::hub::{Hold, TOKEN};
use crate::world::{World, target};
use app_gen_github::Mode;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a process shows to others: its arguments and its environment.
struct Shown {
    arguments: String,
    environment: Vec<u8>,
    folder: PathBuf,
}

/// All processes whose folder is a workspace of a delivery, by their ids.
fn processes() -> BTreeMap<String, Shown> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        // Processes end while they are looked at, and others belong to somebody else.
        let Ok(folder) = fs::read_link(path.join("cwd")) else {
            continue;
        };
        let (Ok(arguments), Ok(environment)) = (
            fs::read(path.join("cmdline")),
            fs::read(path.join("environ")),
        ) else {
            continue;
        };
        if folder.to_string_lossy().contains("/app-gen-github-") {
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let shown = Shown {
                arguments,
                environment,
                folder,
            };
            found.insert(path.to_string_lossy().into_owned(), shown);
        }
    }
    found
}

fn has_token(bytes: &[u8]) -> bool {
    bytes
        .windows(TOKEN.len())
        .any(|part| part == TOKEN.as_bytes())
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(self::files(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn no_argument_no_environment_and_no_file_has_the_token() {
    let world = World::new().await;
    let target = target(None, Mode::NewRepository);
    world.deliver(&target, 0).await.unwrap();
    let calls = world.calls();
    let is_push = |call: &String| call.starts_with("POST ") && call.ends_with("git-receive-pack");
    let push = calls.iter().position(is_push).unwrap() + 1;

    // The same calls come again in another world, where the push is held.
    let world = World::new().await;
    world.hub.shared.state.lock().unwrap().hold = Some(Hold::Before(push));
    let address = world.hub.address.to_string();
    let look = async {
        let held = world.hub.shared.held.notified();
        tokio::time::timeout(Duration::from_secs(60), held)
            .await
            .unwrap();
        let processes = processes();
        let ours: Vec<&Shown> = processes
            .values()
            .filter(|shown| shown.arguments.contains(&address))
            .collect();
        let runs = |program: &str| ours.iter().any(|shown| shown.arguments.contains(program));
        assert!(runs("push") && runs("remote-http"), "{}", ours.len());
        for shown in &ours {
            assert!(!shown.arguments.contains(TOKEN), "{}", shown.arguments);
            assert!(!has_token(&shown.environment), "{}", shown.arguments);
        }
        let workspace = ours[0].folder.parent().unwrap();
        let mode = fs::metadata(workspace).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let files = files(workspace);
        assert!(files.iter().any(|file| file.ends_with("repository/config")));
        for file in files {
            assert!(!has_token(&fs::read(&file).unwrap()), "{}", file.display());
        }
        workspace.to_owned()
    };
    let workspace = tokio::select! {
        workspace = look => workspace,
        ended = world.deliver(&target, 0) => panic!("it was not held: {ended:?}"),
    };
    // The delivery was dropped, and with it all that it had.
    assert!(!workspace.exists());
    for _ in 0..500 {
        let left = processes();
        if !left
            .values()
            .any(|shown| shown.arguments.contains(&address))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("git lives on");
}
