//! The generated applications, used as a user would: installed, built, tested, started, asked, and opened in
//! a browser. Those of the catalogue that `cargo xtask validate` does not run are run here and nowhere else.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::support::{command, run, unpack, wait_for, write_spec};

/// A browser takes two seconds, and many times that on a machine that does much else.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(180);

/// An application of the catalogue.
struct Case {
    template: &'static str,
    /// What asks for it.
    description: &'static str,
    /// The name of its entries in its API.
    entries: &'static str,
    /// An entry to add, and what the server keeps of it.
    added: Value,
    /// Words of the description in the sample data.
    shown: [&'static str; 2],
}

fn catalogue() -> [Case; 6] {
    [
        Case {
            template: "list",
            description: "A packing list: tent, warm socks,",
            entries: "items",
            added: json!({ "title": "Map" }),
            shown: ["Tent", "Warm socks"],
        },
        Case {
            template: "board",
            description: "A kanban board: venue, wedding cake,",
            entries: "cards",
            added: json!({ "title": "Music", "column": "doing" }),
            shown: ["Venue", "Wedding cake"],
        },
        Case {
            template: "booking",
            description: "A booking calendar: youth team, lessons,",
            entries: "bookings",
            added: json!({ "title": "Ada", "date": "2028-02-29", "hour": 17 }),
            shown: ["Youth team", "Lessons"],
        },
        Case {
            template: "poll",
            description: "A poll: pizza, green salad,",
            entries: "polls",
            added: json!({ "question": "When?", "options": ["Now", "Later"] }),
            shown: ["Pizza", "Green salad"],
        },
        Case {
            template: "inventory",
            description: "An inventory: screws, wood glue,",
            entries: "items",
            added: json!({ "name": "Nails", "quantity": 7, "minimum": 3 }),
            shown: ["Screws", "Wood glue"],
        },
        Case {
            template: "notes",
            description: "A diary: tomatoes, rain barrel,",
            entries: "notes",
            added: json!({ "title": "Frost", "tags": ["weather"] }),
            shown: ["Tomatoes", "Rain barrel"],
        },
    ]
}

/// A description, and everything that has ever broken out of a text, in 4000 characters.
fn hostile(description: &str) -> String {
    let mut description = format!(
        "{description} \"double\" `ticks` & 'quotes' </script><script>document.title = 'run'</script> \
         <img src=x onerror=\"document.title = 'run'\"> ${{process.exit(1)}} {{{{x}}}} <%= y %> \\ \u{2028}\n\
         second line\r\n\tتطبيق \u{202e}rtl 🚀 <!-- --> ]]> %00 \u{7f} "
    );
    let missing = 4000 - description.chars().count();
    description.extend(std::iter::repeat_n('x', missing));
    description
}

fn npm(folder: &Path, arguments: &[&str]) {
    let output = command("npm")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "npm {arguments:?} in {}: {}{}",
        folder.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `npm start` and all its children, ended on drop.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = command("npm")
            .arg("start")
            .current_dir(folder)
            .env("PORT", "0")
            .env_remove("HOST")
            .env_remove("DATA_FILE")
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let address = output
            .lines()
            .find_map(|line| {
                line.unwrap()
                    .strip_prefix("listening on ")
                    .map(str::to_owned)
            })
            .unwrap_or_else(|| {
                panic!(
                    "the server in {} ended before it listened",
                    folder.display()
                )
            });
        Self { child, address }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(body.to_string())
            .unwrap();
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .build(),
        );
        let mut response = agent.run(request).unwrap();
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().unwrap(),
        )
    }

    fn get(&self, path: &str) -> String {
        let mut response = ureq::get(format!("{}{path}", self.address)).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    }

    fn get_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is fine too.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The document that a browser makes of an address, with what the page's scripts do.
fn document(address: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("document.html");
    // To a file: a pipe that nobody reads meanwhile would fill up.
    let mut browser = command("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--virtual-time-budget=10000",
        ])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .args(["--dump-dom", address])
        .stdout(std::fs::File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(wait_for(&mut browser, BROWSER_TIMEOUT), Some(0));
    std::fs::read_to_string(output).unwrap()
}

/// The lock file of an application without its name, which alone differs.
fn lock(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("package-lock.json")).unwrap();
    let mut lock: Value = serde_json::from_str(&text).unwrap();
    lock["name"] = Value::Null;
    lock["packages"][""]["name"] = Value::Null;
    lock
}

/// All of them install the same packages, so the first one's installation serves the others too.
#[test]
fn every_application_of_the_catalogue_installs_builds_starts_and_answers() {
    let root = tempfile::tempdir().unwrap();
    let generated = catalogue().map(|case| {
        let description = hostile(case.description);
        let folder = generate(&case, &description, root.path());
        (case, description, folder)
    });
    let first = &generated[0].2;
    npm(first, &["ci", "--no-audit", "--no-fund"]);
    for (case, _, folder) in &generated[1..] {
        assert_eq!(lock(folder), lock(first), "{}", case.template);
        std::os::unix::fs::symlink(first.join("node_modules"), folder.join("node_modules"))
            .unwrap();
    }

    let waiting = Mutex::new(generated.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((case, description, folder)) = next else {
                        break;
                    };
                    use_application(case, description, folder);
                }
            });
        }
    });
}

fn generate(case: &Case, description: &str, root: &Path) -> PathBuf {
    let spec_uri = write_spec(root, case.template, description);
    assert_eq!(run(&[("JOB_SPEC_URI", &spec_uri)]).exit_code, Some(0));
    let folder = root.join(case.template);
    unpack(
        &root.join("jobs").join(case.template).join("app.zip"),
        &folder,
    );
    folder
}

fn use_application(case: &Case, description: &str, folder: &Path) {
    npm(folder, &["run", "build"]);
    npm(folder, &["test"]);
    let server = Server::start(folder);
    let address = &server.address;
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert_eq!(server.get_json("/api/health"), json!({ "status": "ok" }));
    let info = server.get_json("/api/info");
    assert_eq!(info["template"], case.template);
    assert_eq!(info["description"], description.trim());
    let page = server.get("/");
    assert!(page.contains("<div id=\"root\">"), "{page}");
    assert_eq!(server.get("/any/path"), page);

    let document = document(address);
    assert!(!document.contains("<title>run</title>"), "{document}");
    assert!(!document.contains("<img"), "{document}");
    for shown in case
        .shown
        .iter()
        .chain(&["&lt;/script&gt;&lt;script&gt;", "No AI model was asked."])
    {
        assert!(
            document.contains(shown),
            "{}: no {shown} in {document}",
            case.template
        );
    }

    let path = format!("/api/{}", case.entries);
    let (status, added) = server.call("POST", &path, &case.added);
    assert_eq!(status, 201, "{added}");
    let added: Value = serde_json::from_str(&added).unwrap();
    assert_eq!(server.call("POST", &path, &json!({})).0, 400);
    let entries = server.get_json(&path);
    let listed = entries[case.entries].as_array().unwrap();
    assert_eq!(listed.last(), Some(&added), "{}", case.template);
    drop(server);

    let server = Server::start(folder);
    assert_eq!(server.get_json(&path), entries, "kept by a restart");
    let own = format!("{path}/{}", added["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &own, &json!({})).0, 204);
    let left = server.get_json(&path);
    assert_eq!(
        left[case.entries].as_array().unwrap().len(),
        listed.len() - 1
    );
}
