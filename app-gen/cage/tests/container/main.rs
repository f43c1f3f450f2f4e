//! Cages in a container of the real Docker Engine: what agents could try, and what the generator relies
//! on. `src/bin/trial.rs` is the generator.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The base of the generator's image. `cargo xtask setup` makes it.
const IMAGE: &str = "debian:trixie-slim";
/// The engine's own filter of system calls would hide that one of ours is missing.
const UNFILTERED: [&str; 2] = ["--security-opt", "seccomp=unconfined"];

/// Runs a script of a shell in a container, for a minute at most. Its first process has the secret, too.
fn contain(options: &[&str], script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_cage-trial");
    let mount = format!("type=bind,source={program},target=/usr/local/bin/cage-trial,readonly");
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapper of xtask is not for the generator"
    )]
    let mut docker = Command::new("docker");
    docker
        .args(["run", "--rm", "--mount", &mount, "--volume", "/state"])
        .args(["--env", "GENERATOR_SECRET=hidden-words"])
        .args(options)
        .args([IMAGE, "sh", "-c", "timeout 60 sh -c \"$1\"; exit $?", "sh"])
        .arg(script);
    docker.output().unwrap()
}

fn report(output: &Output) -> Value {
    let answer = serde_json::from_slice(&output.stdout);
    answer.unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// What the trials in one container came to. If they fail, they do so once.
static SUITE: LazyLock<Value> = LazyLock::new(|| {
    let listener = outside();
    let address = listener.local_addr().unwrap();
    let variable = format!("OUTSIDE={address}");
    let options = [&UNFILTERED[..], &["--env", &variable]].concat();
    let mut report = report(&contain(&options, "cage-trial suite"));
    listener.set_nonblocking(true).unwrap();
    report["outside"]["accepted"] = listener.incoming().map_while(Result::ok).count().into();
    report
});

fn suite() -> &'static Value {
    &SUITE
}

/// Somebody who listens on this machine where containers can reach it, at a port that Landlock lets the
/// cage connect to.
fn outside() -> TcpListener {
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapper of xtask is not for the generator"
    )]
    let bridge = Command::new("docker")
        .args(["network", "inspect", "bridge", "--format"])
        .arg("{{(index .IPAM.Config 0).Gateway}}")
        .output()
        .unwrap();
    let address: Ipv4Addr = String::from_utf8(bridge.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let free = |port| TcpListener::bind((address, port)).ok();
    (20_000..=20_015).find_map(free).unwrap()
}

#[test]
fn no_attack_succeeds() {
    let attacks = &suite()["attacks"];
    assert_eq!(attacks["error"], Value::Null, "{attacks}");
    // The kernel of whoever runs this is as good as the newest rights that are asked for.
    assert!(attacks["landlock"].as_u64().unwrap() >= 4, "{attacks}");
    assert_eq!(attacks["lacks"], json!([]));
}

#[test]
fn every_attack_succeeds_where_there_is_no_cage() {
    let target = json!({
        "generator": 1, "private": "/state", "own": "/state", "served": [8_765, 8_766],
        "port": 20_000, "landlock": 6,
    });
    let options = [&UNFILTERED[..], &["--cap-add", "SYS_PTRACE"]].concat();
    let script = format!("echo a > /state/secret; cage-trial in-cage attack '{target}'");
    let holes = report(&contain(&options, &script));
    let found: Vec<&str> = holes
        .as_array()
        .unwrap()
        .iter()
        .map(|hole| hole["attack"].as_str().unwrap())
        .collect();
    let all = [
        "environment",
        "memory",
        "descriptors",
        "root-folder",
        "tracing",
        "taking-descriptors",
        "signals",
        "limits",
        "secrets",
        "user",
        "capabilities",
        "forbidden-calls",
        "namespaces",
        "set-user-files",
        "devices",
        "outside",
        "strange-sockets",
        "fast-open",
        "ports",
        "writing",
    ];
    assert_eq!(found, all, "{holes}");
}

#[test]
fn nothing_leaves_the_container() {
    let outside = &suite()["outside"];
    assert_eq!(outside["by_generator"], true, "{outside}");
    // `timeout` ended it.
    assert_eq!(outside["by_cage"], "Code(1)", "{outside}");
    assert_eq!(outside["accepted"], 1, "{outside}");
}

#[test]
fn it_holds_as_a_task_of_fargate_is_started() {
    let drop =
        "AUDIT_WRITE DAC_OVERRIDE FOWNER FSETID MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SYS_CHROOT";
    let mut options = vec!["--read-only"];
    for capability in drop.split(' ') {
        options.extend(["--cap-drop", capability]);
    }
    let report = report(&contain(&options, "cage-trial suite"));
    assert_eq!(report["attacks"]["lacks"], json!([]), "{report}");
    assert_eq!(report["identity"], suite()["identity"]);
    assert_eq!(report["loopback"]["gateway"], "the gateway");
    assert_eq!(report["workspace"]["plain"], json!([["src/a", "a\n"]]));
}

#[test]
fn the_generator_has_its_secret_and_its_environment_has_not() {
    let report = suite();
    assert_eq!(report["secret"], "hidden-words");
    let environment = report["environment_of_generator"].as_str().unwrap();
    assert!(!environment.contains("hidden-words"), "{environment}");
    assert!(environment.contains("PATH="), "{environment}");
    let variables = report["variables_of_generator"].as_array().unwrap();
    assert!(variables.contains(&json!("PATH")), "{variables:?}");
    assert!(!variables.contains(&json!("GENERATOR_SECRET")));
}

#[test]
fn a_command_is_another_user_with_nothing_of_the_generator() {
    let identity = &suite()["identity"];
    let id = identity["id"].as_str().unwrap();
    assert_eq!(id, "uid=10002 gid=10002 groups=10002");
    // The last three are the shell's own.
    let variables = identity["variables"].as_str().unwrap();
    let expected = "HOME\nLANG\nPATH\nPWD\nSHELL\nSHLVL\nTMPDIR\nTZ\n_";
    assert_eq!(variables, expected);
    assert_eq!(identity["folder"], "/state/agent/workspace");
    assert_eq!(identity["mask"], "0077");
    assert_eq!(identity["session"], "own");
    // Three, and the one of `ls`.
    assert_eq!(identity["descriptors"], "4");
    assert_eq!(identity["oom"], "1000");
}

#[test]
fn loopback_works_for_what_an_application_needs() {
    let loopback = &suite()["loopback"];
    assert_eq!(loopback["gateway"], "the gateway");
    assert_eq!(loopback["packages"], "the packages");
    let without = loopback["packages_without"].as_str().unwrap();
    assert!(without.contains("Permission denied"), "{without}");
    assert_eq!(loopback["named"], "heard 20000");
    assert_eq!(loopback["chosen"], "heard 40500");
    let crossed = loopback["chosen_for_packages"].as_str().unwrap();
    assert!(crossed.starts_with("no: Permission denied"), "{crossed}");
    let any = loopback["any"].as_str().unwrap();
    let port: u16 = any.strip_prefix("heard ").unwrap().parse().unwrap();
    assert!((40_000..=40_999).contains(&port), "{port}");
    let other = loopback["other"].as_str().unwrap();
    assert!(other.starts_with("no: Permission denied"), "{other}");
}

#[test]
fn the_end_of_a_command_is_told_from_that_of_its_cage() {
    let endings = &suite()["endings"];
    assert_eq!(endings["zero"], "Code(0)");
    assert_eq!(endings["seven"], "Code(7)");
    assert_eq!(endings["killed"], "Code(137)");
    assert_eq!(endings["ours"], "Code(1)");
    assert_eq!(endings["late"], "TooLate");
    assert_eq!(endings["late_says"], "it took longer than it may");
    assert_eq!(endings["missing"], "NotStarted");
    let says = endings["missing_says"].as_str().unwrap();
    assert!(says.contains("no-such-program: No such file"), "{says}");
}

#[test]
fn nothing_survives_a_command_or_a_stop() {
    let survivors = &suite()["survivors"];
    assert_eq!(survivors["ended"], "Code(0)", "{survivors}");
    assert_eq!(survivors["after_end"], json!([]));
    assert!(survivors["before"].as_u64().unwrap() >= 3, "{survivors}");
    assert_eq!(survivors["stopped"], "Code(137)");
    assert_eq!(survivors["after_stop"], json!([]));
    assert!(survivors["seconds"].as_f64().unwrap() < 2.0, "{survivors}");
}

#[test]
fn who_is_asked_to_end_does_so_by_itself_or_not_at_all() {
    let asked = &suite()["asked"];
    assert_eq!(asked["polite"], "Code(5)", "{asked}");
    assert!(asked["seconds"].as_f64().unwrap() < 2.0, "{asked}");
    assert_eq!(asked["left_by_polite"], json!([]));
    assert_eq!(asked["first"], "Code(143)", "{asked}");
    assert_eq!(asked["by_itself"], "by-itself", "{asked}");
    assert_eq!(asked["deaf_stays"], true, "{asked}");
    assert_eq!(asked["deaf"], "Code(137)", "{asked}");
    assert_eq!(asked["left_by_deaf"], json!([]));
}

#[test]
fn a_fork_bomb_stops_at_its_limit_and_is_ended() {
    let bomb = &suite()["bomb"];
    let most = bomb["most"].as_u64().unwrap();
    assert!((20..=200).contains(&most), "{bomb}");
    assert_eq!(bomb["left"], json!([]));
    assert!(bomb["seconds"].as_f64().unwrap() < 10.0, "{bomb}");
}

#[test]
fn who_fills_the_disk_is_ended_and_who_is_beside_it_is_not() {
    let disk = &suite()["disk"];
    assert_eq!(disk["ended"], "DiskFull", "{disk}");
    let bytes = disk["bytes"].as_u64().unwrap();
    assert!((16 << 20..=64 << 20).contains(&bytes), "{disk}");
    assert_eq!(disk["others"], "Code(3)");
}

#[test]
fn limits_hold() {
    let limits = &suite()["limits"];
    assert_eq!(limits["file"], 1 << 20, "{limits}");
    let memory = limits["memory"].as_str().unwrap();
    assert!(memory.starts_with("Out of memory"), "{limits}");
    let files: u64 = limits["files"].as_str().unwrap().parse().unwrap();
    assert!((90..100).contains(&files), "{limits}");
    assert_eq!(limits["processes"], "512");
}

#[test]
fn a_role_that_reads_does_not_write_and_sees_no_other_role() {
    let reader = &suite()["reader"];
    assert_eq!(reader["reads"], "seen");
    let writes = reader["writes"].as_str().unwrap();
    assert!(writes.ends_with("Permission denied"), "{reader}");
    assert_eq!(reader["home"], "mine");
    let other = reader["of_other_role"].as_str().unwrap();
    assert!(other.ends_with("Permission denied"), "{reader}");
}

#[test]
fn roles_side_by_side_neither_reach_nor_end_each_other() {
    let roles = &suite()["roles"];
    assert_eq!(roles["reached"], "", "{roles}");
    assert_eq!(roles["alone"], "", "{roles}");
    assert!(!roles["left"].as_array().unwrap().is_empty(), "{roles}");
}

#[test]
fn what_a_killed_keeper_leaves_can_be_ended() {
    let lost = &suite()["lost_keeper"];
    assert_eq!(lost["ended"], "KeeperLost");
    assert_eq!(lost["is_ended"], true);
    assert_eq!(lost["left"], json!([]));
}

#[test]
fn a_generator_that_is_gone_takes_its_cages_along() {
    let script = "cage-trial abandon; sleep 0.6; cat /proc/[0-9]*/comm >&2";
    let output = contain(&UNFILTERED, script);
    // The command was there, with what it had in the background.
    assert!(report(&output)["left"].as_u64().unwrap() >= 2, "{output:?}");
    let left = String::from_utf8_lossy(&output.stderr);
    // The shell lists what is there before it starts `cat`.
    assert_eq!(left, "sh\ntimeout\nsh\n");
}

#[test]
fn the_workspace_is_read_in_the_cage_and_only_plain_files_are_taken() {
    let workspace = &suite()["workspace"];
    assert_eq!(workspace["plain"], json!([["src/a", "a\n"]]), "{workspace}");
    // Root without its capabilities is kept out like everybody else.
    assert_eq!(workspace["direct"], false);
    assert_eq!(workspace["link"], "link is not a plain file");
    assert_eq!(
        workspace["big"],
        "the workspace has more than 1048576 bytes in big"
    );
    assert_eq!(workspace["name"], "a\\nb is no path of an application");
}

#[test]
fn a_racing_link_leads_to_nothing() {
    let race = &suite()["race"];
    assert_eq!(race["leaked"], 0, "{race}");
    assert!(race["taken"].as_u64().unwrap() > 0, "{race}");
}

#[test]
fn a_container_without_the_rights_is_refused_in_words() {
    for (options, words) in [
        (
            ["--user", "10001"],
            "starts as root in its container, and this one has user 10001",
        ),
        (
            ["--cap-drop", "SETUID"],
            "capabilities of root that cages need: SETUID",
        ),
    ] {
        let output = contain(&options, "cage-trial suite");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains(words) && !output.status.success(),
            "{output:?}"
        );
    }
}

#[test]
fn a_machine_is_refused_in_words() {
    // PID namespaces of containers are none of a machine.
    let output = contain(&["--pid", "host"], "cage-trial suite");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("run in containers only"), "{output:?}");
}
