//! Generators in containers, each beside a model, and what kills processes in them.
//!
//! The orchestrator starts a script as its generator, and the script starts the generator's container, with
//! the rights of a task and no others. The model is a program of its own in a container of its own, with which
//! all generators of a job share their network one after the other: a key is sent over loopback only. A shell
//! starts the model again after it was killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::image::{IMAGE, command, docker, task_options};

/// Obviously not a key. The model accepts no other.
const KEY: &str = "fake-key-of-the-kills-7f31";
/// Where the model listens: a port at which nothing in a cage can.
const MODEL: &str = "127.0.0.1:8767";
/// The model's program in its container.
const MODEL_PROGRAM: &str = "/model/app-gen-scripted-model";
/// A label of everything that a run of these tests starts, with the run's name.
const RUN: &str = "app-gen-kills";
/// What containers of previews alone are found by.
const PREVIEW: &str = "label=app-gen-preview";

/// What the orchestrator starts for a preview, before what it starts for a job. A preview has the network of this
/// machine, so that the orchestrator, which is a process of it, finds its ports; the application in its cage has
/// loopback alone.
pub const START_PREVIEW: &str = r#"
if [ -n "$PREVIEW_SHA256" ]; then
  exec docker run --rm --label "$LABEL=$RUN" --label app-gen-preview --network host "$@" \
    --env PREVIEW_SHA256 --env PREVIEW_LIFETIME_SECS "$IMAGE"
fi
"#;

/// What the orchestrator starts for a job, after lines that set the variables in capitals.
const START: &str = r#"
exec 2>>"$ERRORS"
spec=${JOB_SPEC_URI#file://}
folder=${spec%/*}
job=${folder##*/}
attempt=${spec##*/}
attempt=${attempt%.json}
script=$(sed -n 's/.*by the script \([a-z-]*\).*/\1/p' "$spec")
# The root of a container may only write where everybody may.
chmod a+rwx "$folder"
docker inspect "$RUN-$job-model" >/dev/null 2>&1 || docker run --detach --name "$RUN-$job-model" \
  --label "app-gen-kills=$RUN" --volume "$MODEL_BINARY:/model:ro" --volume "$SCRIPTS:/scripts:ro" \
  --volume "$RECORDS:/records" --env "SCRIPTED_MODEL_RECORD=/records/$job" --env "SCRIPTED_MODEL_LISTEN=$MODEL" \
  --env "SCRIPTED_MODEL_KEY=$OPENAI_API_KEY" --entrypoint sh "$IMAGE" -c \
  'while :; do /model/app-gen-scripted-model "/scripts/$0.toml"; sleep 0.5; done' "$script" >/dev/null
# This process becomes the client of the engine, which hands signals on and ends with the generator's code.
exec docker run --rm --name "$RUN-$job-$attempt" --label "app-gen-kills=$RUN" --label "job=$job" \
  --network "container:$RUN-$job-model" "$@" --volume "$ARTIFACTS:$ARTIFACTS" \
  --env JOB_SPEC_URI --env JOB_LIFETIME_SECS --env ANTHROPIC_BASE_URL --env ANTHROPIC_API_KEY \
  --env OPENAI_BASE_URL --env OPENAI_API_KEY "$IMAGE"
"#;

/// Kills every process of the program `$0` at the first moment at which there is one, and says how many these
/// were. Some live for a moment only, which is looked for without a pause, and not for long.
const KILL: &str = r#"killed=0
for look in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  for one in /proc/[0-9]*; do
    [ "$(readlink "$one/exe")" = "$0" ] && kill -9 "${one#/proc/}" && killed=$((killed + 1))
  done
  [ $killed -gt 0 ] && break
done
echo $killed"#;

/// All containers of a run. They go with it.
pub struct Containers {
    run: String,
    folder: PathBuf,
    /// What the orchestrator starts.
    pub command: PathBuf,
}

impl Containers {
    /// Gets ready what generators and models are started with, in a folder of this run.
    pub async fn new(folder: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let run = format!("{RUN}-{}-{number}", std::process::id());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let scripts = repository.join("app-gen/scripted-model/scripts");
        let model = model_program().await;
        let path = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(&path).unwrap();
            path.display().to_string()
        };
        let variables = [
            ("LABEL", RUN.to_owned()),
            ("RUN", run.clone()),
            ("IMAGE", IMAGE.clone()),
            ("MODEL", MODEL.to_owned()),
            (
                "MODEL_BINARY",
                model.parent().unwrap().display().to_string(),
            ),
            ("SCRIPTS", scripts.display().to_string()),
            ("RECORDS", path("records")),
            ("ARTIFACTS", path("artifacts")),
            ("ERRORS", folder.join("errors").display().to_string()),
        ];
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in &variables {
            script.push_str(&format!("{name}={}\n", quoted(value)));
        }
        let options: Vec<String> = task_options().iter().map(|option| quoted(option)).collect();
        script.push_str(&format!(
            "set -- {}\n{START_PREVIEW}{START}",
            options.join(" ")
        ));
        let command = folder.join("generator.sh");
        fs::write(&command, script).unwrap();
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            run,
            folder: folder.to_owned(),
            command,
        }
    }

    /// The environment of generators, for the orchestrator.
    pub fn environment() -> String {
        let mut variables = json!({
            "ANTHROPIC_BASE_URL": format!("http://{MODEL}"),
            "ANTHROPIC_API_KEY": KEY,
            "OPENAI_BASE_URL": format!("http://{MODEL}/v1"),
            "OPENAI_API_KEY": KEY,
        });
        // What the client of the engine needs.
        for name in ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT"] {
            if let Ok(value) = std::env::var(name) {
                variables[name] = value.into();
            }
        }
        variables.to_string()
    }

    /// Kills the generator that works for a job, if one does.
    pub fn kill_generator(&self, job: &str) -> bool {
        self.generators(job).iter().any(|id| {
            let killed = command("docker")
                .args(["kill", "--signal", "KILL", id])
                .output();
            killed.unwrap().status.success()
        })
    }

    /// Kills all agents that work for a job, if any do.
    pub fn kill_agent(&self, job: &str, provider: &str) -> bool {
        let program = match provider {
            "claude" => "/opt/claude/claude",
            _ => "/opt/codex/bin/codex",
        };
        self.generators(job).iter().any(|id| kill(id, program) > 0)
    }

    /// Kills the model of a job, if it is there.
    pub fn kill_model(&self, job: &str) -> bool {
        kill(&self.model(job), MODEL_PROGRAM) > 0
    }

    /// The containers of a job's generators.
    pub fn generators(&self, job: &str) -> Vec<String> {
        let label = format!("label=job={job}");
        let listed = docker(&["ps", "--all", "--quiet", "--filter", &label]).stdout;
        let listed = String::from_utf8(listed).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// The containers of previews.
    pub fn previews(&self) -> Vec<String> {
        let label = format!("label={RUN}={}", self.run);
        let listed = docker(&[
            "ps", "--all", "--quiet", "--filter", &label, "--filter", PREVIEW,
        ]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// Ends the model of a job.
    pub fn end_model(&self, job: &str) {
        docker(&["rm", "--force", "--volumes", &self.model(job)]);
    }

    /// The requests that reached the model of a job.
    pub fn requests(&self, job: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("records").join(job)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What clients of the engine complained about, and what generators wrote beside their events.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.join("errors")).unwrap_or_default()
    }

    fn model(&self, job: &str) -> String {
        format!("{}-{job}-model", self.run)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let label = format!("label={RUN}={}", self.run);
        let listed = command("docker")
            .args(["ps", "--all", "--quiet", "--filter", &label])
            .output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed).into_owned();
        // A test that fails has its own words for it.
        let _ = command("docker")
            .args(["rm", "--force", "--volumes"])
            .args(listed.lines())
            .output();
        // What the root of a container wrote is not everybody's to remove.
        let mounted = format!("{}:/run-of-kills", self.folder.display());
        let _ = command("docker")
            .args([
                "run",
                "--rm",
                "--volume",
                &mounted,
                "--entrypoint",
                "sh",
                &IMAGE,
            ])
            .args(["-c", "rm -rf /run-of-kills/*"])
            .output();
    }
}

/// Builds the model's program; gives its path.
async fn model_program() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "app-gen-scripted-model"])
        .args([
            "--bin",
            "app-gen-scripted-model",
            "--message-format",
            "json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "cargo build -p app-gen-scripted-model failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .unwrap()
}

/// A word of a shell's command.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Kills every process of a program in a container; says how many these were. The container may have ended.
fn kill(container: &str, program: &str) -> u32 {
    // Without more rights than the container has, nobody sees which program an agent's process is of.
    let arguments = ["exec", "--privileged", container, "sh", "-c", KILL, program];
    let output = command("docker").args(arguments).output().unwrap();
    let killed = String::from_utf8(output.stdout).unwrap();
    killed.trim().parse().unwrap_or(0)
}
