//! `deploy` and its siblings on the real checkout, against the local cloud: one environment
//! from its first release over others that serve, some that do not, and commands that are killed,
//! to its removal.

mod broken_off;
mod faults;
mod prune;
mod scan;

use crate::cloud::{
    self, DATABASE_URL, Replaced, Users, address, call, containers, served_key, stacks,
};
use crate::common::command_lines::CommandLines;
use crate::common::sh;
use crate::images::Workshop;
use crate::live::{self, Started, alone, jobs, platform, run, work_folder};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant, SystemTime};
use xtask_aws_api::calls::logs::{LogLine, TailLog};
use xtask_aws_api::calls::s3::GetObject;
use xtask_aws_api::calls::tasks::{ListTasks, WhichTasks};

const DEPLOY: [&str; 3] = ["deploy", "--yes", "--json"];
const DESTROY: [&str; 3] = ["destroy", "--yes", "--json"];
/// What a load balancer that checks no health may cost users while one task follows another.
const SHORT: Duration = Duration::from_secs(3);

/// The secret value of this test, recognisable wherever it turns up.
const CANARY: &str = "canary-7c1f0e5d2b9a4386";

/// Says how long something took, for whoever asks with `--nocapture`.
fn took(what: &str, since: Instant) {
    println!("{what}: {:.1} s", since.elapsed().as_secs_f64());
}

#[test]
fn an_environment_from_its_first_release_to_its_removal() {
    let _alone = alone();
    let mut seen = CommandLines::watch(&[CANARY]);
    // What a run that was broken off left.
    run(&DESTROY).expect_success();

    let first = deployed();
    nothing_to_do(&first);
    let base = address(&first);
    let canary = Replaced::password_of_the_database(CANARY);
    let workshop = Workshop::new(&first);

    let said = forth_and_back(&workshop, &first);
    assert_only_injected(&base, &said);
    faults::all(&workshop, &base);
    broken_off::all(&workshop);
    drop(canary);

    // Whatever was left half-way: the sources of this checkout serve again.
    let since = Instant::now();
    let last = run(&DEPLOY).expect_success();
    took("deploy after commands that were killed", since);
    assert_eq!(last["state"], "deployed");
    assert_eq!(served_key(&base), first["images"]["orchestrator"]["key"]);
    prune::all(&last["release"], &base);
    destroyed();
    assert_eq!(seen.seen(), Vec::<String>::new());
}

/// `destroy` asks, spares what is protected, and leaves nothing.
fn destroyed() {
    // Refused before anything is asked of a cloud.
    let protected = run(&["destroy", "--env", "prod", "--yes", "--json"]).expect_error(11);
    let message = protected["message"].as_str().unwrap();
    assert!(message.contains("prod is protected"), "{message}");
    let before = containers();
    let unasked = run(&["destroy", "--json"]).expect_error(11);
    let message = unasked["message"].as_str().unwrap();
    assert!(message.contains("there is no terminal"), "{message}");
    assert_eq!(containers(), before);

    let neighbour = cloud::Neighbour::start();
    let since = Instant::now();
    run(&DESTROY).expect_success();
    took("destroy", since);
    neighbour.assert_runs();
    assert_eq!(stacks(), Vec::<Value>::new());
    assert_eq!(containers(), "");
    let database = cloud::database();
    let volumes = sh!("docker volume ls --quiet --filter name=^{database}$");
    assert_eq!(volumes, "");
    let again = run(&DESTROY).expect_success();
    assert_eq!(again["removed"].as_array().unwrap().len(), 0);
    let listed = run(&["releases", "--json"]).expect_success();
    assert_eq!(listed["releases"][0]["outcome"], "destroyed");
    // What was released before went with it.
    let no_way_back = run(&["rollback", "--json"]).expect_error(2);
    assert_eq!(no_way_back["hint"], "cargo xtask deploy");
}

/// A first deploy brings all of it: a user's job ran as a task of the cloud.
fn deployed() -> Value {
    let since = Instant::now();
    let answer = run(&DEPLOY).expect_success();
    took("cold deploy", since);
    assert_eq!(answer["state"], "deployed");
    let release = answer["release"].clone();
    let base = address(&release);
    assert_eq!(served_key(&base), release["images"]["orchestrator"]["key"]);
    assert_injected();

    let smoke = &answer["smoke"];
    let task = smoke["task"].as_str().unwrap();
    let cluster = release["service"]["cluster"].as_str().unwrap();
    let tasks = call(ListTasks {
        which: WhichTasks::InCluster(cluster.to_owned()),
        log_lines: None,
    })
    .tasks;
    let ran = tasks.iter().find(|found| found.state.arn == task).unwrap();
    assert_eq!(ran.state.exit_code, Some(0), "{ran:?}");
    let image = release["images"]["generator"]["reference"].as_str();
    assert_eq!(ran.state.image.as_deref(), image);

    let platform = platform();
    let generator = platform.generator();
    let stream = format!(
        "ecs/{}/{}",
        generator.container,
        task.rsplit('/').next().unwrap()
    );
    let log = call(TailLog {
        group: generator.log_group.clone(),
        stream,
        lines: 100,
    });
    let job_id = smoke["job_id"].as_str().unwrap();
    let names_job = |line: &LogLine| line.message.contains(job_id);
    assert!(log.lines.iter().any(names_job), "{log:?}");

    // The result as an object, and as its user gets it.
    assert_eq!(&jobs::download_start(&base, job_id), b"PK");
    let file = tempfile::NamedTempFile::new().unwrap();
    let uri = format!("{}/jobs/{job_id}/app.zip", artifacts());
    let to = file.path().to_owned();
    call(GetObject { uri, to });
    let bytes = fs::metadata(file.path()).unwrap().len();
    assert_eq!(bytes, smoke["artifact_bytes"].as_u64().unwrap());
    release
}

/// The bucket of jobs, as the orchestrator's task definition names it.
fn artifacts() -> String {
    let environment = container_of("Orchestrator")["Environment"].clone();
    let variables = environment.as_array().unwrap().iter();
    let mut uri = variables
        .filter(|variable| variable["Name"] == "ARTIFACT_URI")
        .map(|variable| variable["Value"].as_str().unwrap().to_owned());
    uri.next_back().unwrap()
}

/// The folder of templates that the last deploy made.
fn assembly() -> std::path::PathBuf {
    work_folder().join("deploy/local/assembly")
}

/// The container of a task definition in the template that was deployed.
fn container_of(id: &str) -> Value {
    let path = assembly().join("AppGenService-local.template.json");
    let template: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let definition = resources.iter().find(|(name, resource)| {
        name.starts_with(id) && resource["Type"] == "AWS::ECS::TaskDefinition"
    });
    definition.unwrap().1["Properties"]["ContainerDefinitions"][0].clone()
}

/// The address of the database reaches the orchestrator as a secret, and in no other way.
fn assert_injected() {
    let container = container_of("Orchestrator");
    let secrets = container["Secrets"].as_array().unwrap();
    let database = secrets.iter().find(|secret| secret["name"] == DATABASE_URL);
    let database = database.unwrap();
    assert!(
        database["valueFrom"].to_string().contains(":secret:"),
        "{database}"
    );
    assert!(database["value"].is_null(), "{database}");
    let environment = container["Environment"].as_array().unwrap();
    let named = |variable: &Value| variable["Name"] == DATABASE_URL;
    assert!(!environment.iter().any(named), "{container}");
    // The generator has no business with it.
    assert!(!container_of("Generator").to_string().contains(DATABASE_URL));
}

/// A second deploy of the same starts nothing and changes nothing.
fn nothing_to_do(first: &Value) {
    let since = Instant::now();
    let before = SystemTime::now();
    let ran = run(&DEPLOY);
    took("deploy of the same", since);
    let answer = ran.expect_success();
    assert_eq!(answer["state"], "unchanged");
    assert_eq!(answer["release"], *first);
    assert_eq!(answer["smoke"], Value::Null);
    let seconds = |time: SystemTime| {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        format!("{:.6}", since_epoch.as_secs_f64())
    };
    let (since, until) = (seconds(before), seconds(SystemTime::now()));
    let created = sh!(
        "docker events --since {since} --until {until} --filter event=create --filter type=container
         --format '{{.Actor.Attributes.image}}'"
    );
    // Others may work on this machine, but not with our images.
    let ours: Vec<&str> = created
        .lines()
        .filter(|image| image.contains(&platform().project))
        .collect();
    assert_eq!(ours, Vec::<&str>::new());
}

/// That the orchestrator runs with the secret value, and that it is nowhere else: not in
/// templates, in what the commands `said`, in the service's log, nor in an image.
fn assert_only_injected(base: &str, said: &str) {
    served_key(base);
    let name = format!("name={}", platform().orchestrator().container);
    let task = sh!("docker ps --quiet --filter {name}");
    let inspected = sh!("docker inspect --format '{{.Config.Env}}' {task}");
    assert!(inspected.contains(CANARY), "it is not injected into {task}");
    assert!(!said.contains(CANARY));
    scan::assert_none_in_folder(CANARY, &assembly());
    let release = run(&["releases", "--json"]).expect_success();
    assert!(!release.to_string().contains(CANARY));
    assert!(!sh!("docker logs {task}").contains(CANARY));
    for image in release["releases"][0]["images"]
        .as_object()
        .unwrap()
        .values()
    {
        scan::assert_none_in_image(CANARY, image["reference"].as_str().unwrap());
    }
}

/// Another image by its digest, beside a deploy that is refused, and back to the first one.
/// Returns what the commands said.
fn forth_and_back(workshop: &Workshop, first: &Value) -> String {
    let base = address(first);
    let job = jobs::submit(&base, "a list that outlives its release");
    jobs::whole_stream(&base, &job);

    let good = workshop.make("900d", "ENV FITNESS=good");
    let users = Users::of(&base);
    let since = Instant::now();
    // Each command line is shown, too.
    let mut forth = Started::new(&[&good.deploy()[..], &["--verbose"]].concat());
    forth.says("cdk |");
    let refused = run(&DEPLOY);
    assert!(refused.took < Duration::from_secs(15), "{refused:#?}");
    let refused = refused.expect_error(7);
    let message = refused["message"].as_str().unwrap();
    for part in ["is locked by", "since", "deploy"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(refused["hint"], "cargo xtask unlock --env local");
    let forth = forth.ends_within(live::RUN);
    took("deploy of another image", since);
    let mut said = [&*forth.stdout, &*forth.stderr].concat();
    let answer = forth.expect_success();
    assert_eq!(answer["state"], "deployed");
    assert_eq!(served_key(&base), good.key);

    let since = Instant::now();
    let back = run(&["rollback", "--json", "--verbose"]);
    took("rollback", since);
    said.extend([&*back.stdout, &*back.stderr]);
    let back = back.expect_success();
    assert_eq!(back["release"]["restores"], first["id"]);
    assert_eq!(back["release"]["images"], first["images"]);
    assert_eq!(served_key(&base), first["images"]["orchestrator"]["key"]);
    let waited = users.longest_wait();
    println!(
        "users waited {:.1} s while images changed",
        waited.as_secs_f64()
    );
    assert!(waited < SHORT, "users waited {waited:?}");
    assert_eq!(jobs::job(&base, &job)["state"], "succeeded");
    assert_eq!(&jobs::download_start(&base, &job), b"PK");

    let further = run(&["rollback", "--json"]).expect_error(2);
    let message = further["message"].as_str().unwrap();
    assert!(
        message.contains("no other release succeeded before"),
        "{message}"
    );
    assert_eq!(further["hint"], "cargo xtask releases");

    let listed = run(&["releases", "--json"]).expect_success();
    assert_eq!(listed["current"], back["release"]["id"]);
    let outcomes = listed["releases"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes
        .map(|release| release["outcome"].as_str().unwrap())
        .take(3)
        .collect();
    assert_eq!(outcomes, ["succeeded"; 3]);
    said
}
