//! The generated application, used as a user would: installed, built, tested, started, asked.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::support::{command, run, unpack, write_spec};

/// Everything that has ever broken out of a text, in 4000 characters.
fn hostile_description() -> String {
    let mut description = "Build a \"list\" of `ticks` & 'quotes' </script><script>alert(1)</script> \
         ${process.exit(1)} {{x}} <%= y %> \\ \u{2028}\nsecond line\r\n\tتطبيق \u{202e}rtl 🚀 <!-- --> ]]> %00 \u{7f} "
        .to_owned();
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
        "npm {arguments:?}: {}{}",
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

#[test]
fn the_application_installs_builds_starts_and_answers() {
    let description = hostile_description();
    let folder = tempfile::tempdir().unwrap();
    let spec_uri = write_spec(folder.path(), "job", &description);
    assert_eq!(run(&[("JOB_SPEC_URI", &spec_uri)]).exit_code, Some(0));
    let app = folder.path().join("unpacked");
    unpack(&folder.path().join("jobs/job/app.zip"), &app);

    npm(&app, &["ci", "--no-audit", "--no-fund"]);
    npm(&app, &["run", "build"]);
    npm(&app, &["test"]);

    let server = Server::start(&app);
    assert!(
        server.address.starts_with("http://127.0.0.1:"),
        "{}",
        server.address
    );
    assert_eq!(server.get_json("/api/health"), json!({ "status": "ok" }));
    let info = server.get_json("/api/info");
    assert_eq!(info["description"], description.trim());
    assert_eq!(
        (&info["name"], &info["slug"]),
        (
            &json!("List of ticks & quotes"),
            &json!("list-of-ticks-quotes-app")
        )
    );

    let page = server.get("/");
    assert!(
        page.contains("<div id=\"root\">") && !page.contains("alert(1)"),
        "{page}"
    );
    assert_eq!(server.get("/any/path"), page);
    let (_, after) = page.split_once("src=\"/assets/").unwrap();
    let script = server.get(&format!("/assets/{}", after.split('"').next().unwrap()));
    assert!(
        script.contains("alert(1)"),
        "the page shows the description"
    );

    let (status, item) = server.call("POST", "/api/items", &json!({ "title": "Milk" }));
    assert_eq!(status, 201);
    let item: Value = serde_json::from_str(&item).unwrap();
    let path = format!("/api/items/{}", item["id"].as_str().unwrap());
    assert_eq!(server.call("PATCH", &path, &json!({ "done": true })).0, 200);
    assert_eq!(
        server.call("POST", "/api/items", &json!({ "title": "" })).0,
        400
    );
    drop(server);

    let server = Server::start(&app);
    let items = server.get_json("/api/items");
    assert_eq!(
        (&items["items"][0]["title"], &items["items"][0]["done"]),
        (&json!("Milk"), &json!(true))
    );
    assert_eq!(server.call("DELETE", &path, &json!({})).0, 204);
    assert_eq!(server.get_json("/api/items"), json!({ "items": [] }));
}
