//! Identity, secrets, repositories, and the parts that `validate` needs.

use crate::support::images::Pushed;
use crate::support::sdk::Sdk;
use crate::support::{Ensured, Space, ensure, tool};
use serde_json::{Value, json};
use xtask_aws_api::calls::bootstrap::WritePolicies;
use xtask_aws_api::calls::ecr::LogIn;
use xtask_aws_api::calls::identity::GetIdentity;
use xtask_aws_api::calls::rights::CheckRights;
use xtask_aws_api::calls::secrets::{ListSecrets, ReadSecret, RemoveSecret, SetSecret};
use xtask_aws_api::calls::validation::RemoveValidation;

#[test]
fn identity_ignores_the_callers_aws_settings() {
    let space = Space::new("identity");
    assert_eq!(
        space.ok(GetIdentity {}),
        json!({ "account": "000000000000", "arn": "arn:aws:iam::000000000000:root" })
    );
}

fn read() -> ReadSecret {
    ReadSecret {
        secret: "generator".to_owned(),
    }
}

fn remove(key: Option<&str>) -> RemoveSecret {
    RemoveSecret {
        secret: "generator".to_owned(),
        key: key.map(str::to_owned),
    }
}

#[test]
fn secrets_are_set_listed_read_and_removed() {
    let space = Space::new("secrets");
    let key = |key: &str, present: bool| {
        let state = if present { "set" } else { "missing" };
        json!({ "key": key, "required": false, "state": state })
    };
    let listed = |exists: bool, present: [bool; 3]| {
        json!({
            "id": "generator", "name": format!("{}/generator", space.name), "exists": exists,
            "keys": [
                key("ANTHROPIC_API_KEY", present[1]),
                key("CLAUDE_CODE_OAUTH_TOKEN", present[0]),
                key("OPENAI_API_KEY", present[2]),
            ]
        })
    };
    assert_eq!(
        space.ok(ListSecrets {})["secrets"][1],
        listed(false, [false; 3])
    );
    let missing = space.call(read());
    assert_eq!(missing.exit_code, Some(9), "{}", missing.stdout);

    // A value that JSON, shells and line ends would spoil.
    let value = "a\"b\\c $HOME\n\u{e9}";
    for (key, value) in [
        ("OPENAI_API_KEY", "first"),
        ("ANTHROPIC_API_KEY", "kept"),
        ("OPENAI_API_KEY", value),
    ] {
        let set = space.call(SetSecret {
            secret: "generator".to_owned(),
            key: key.to_owned(),
            value: value.into(),
        });
        assert_eq!(set.exit_code, Some(0), "{}", set.stdout);
        assert!(
            !set.stdout.contains(value) && !set.stderr.contains(value),
            "the value is shown: {} {}",
            set.stdout,
            set.stderr
        );
    }
    let list = space.call(ListSecrets {});
    assert_eq!(list.json["secrets"][1], listed(true, [false, true, true]));
    assert!(!list.stdout.contains("kept"), "{}", list.stdout);
    assert_eq!(
        space.ok(read()),
        json!({ "ANTHROPIC_API_KEY": "kept", "OPENAI_API_KEY": value })
    );

    assert_eq!(
        space.ok(remove(Some("ANTHROPIC_API_KEY")))["removed"],
        json!(true)
    );
    assert_eq!(space.ok(read()), json!({ "OPENAI_API_KEY": value }));
    for removed in [true, false] {
        assert_eq!(space.ok(remove(None))["removed"], json!(removed));
    }
    assert_eq!(
        space.ok(ListSecrets {})["secrets"][1],
        listed(false, [false; 3])
    );
}

#[test]
fn a_login_lets_push_to_the_repository_that_it_made() {
    let space = Space::new("ecr");
    let repository = format!("{}/generator", space.name);
    let config = space.path("docker");
    let docker = |arguments: &[&str], stdin: &str| {
        tool("docker", arguments, &[("DOCKER_CONFIG", &config)], stdin)
    };
    let log_in = LogIn {
        repositories: vec![repository.clone()],
    };
    let login = space.ok(log_in.clone());
    assert_eq!(
        login,
        space.ok(log_in),
        "the second login finds the repository"
    );
    let registry = login["registry"].as_str().expect("registry");
    docker(
        &[
            "login",
            "--username",
            login["username"].as_str().expect("username"),
            "--password-stdin",
            registry,
        ],
        login["password"].as_str().expect("password"),
    );
    let context = space.path("context");
    std::fs::create_dir(&context).expect("folder");
    std::fs::write(
        context.join("Dockerfile"),
        "FROM scratch\nCOPY Dockerfile /\n",
    )
    .expect("Dockerfile");
    let image = Pushed::new(&space, registry, &repository, &context);
    // The registry itself says what it has got.
    let raw = docker(
        &[
            "buildx",
            "imagetools",
            "inspect",
            "--format",
            "{{json .Manifest}}",
            &image.by_digest,
        ],
        "",
    );
    let manifest: Value = serde_json::from_str(&raw).expect("JSON");
    assert_eq!(
        format!(
            "{registry}/{repository}@{}",
            manifest["digest"].as_str().expect("digest")
        ),
        image.by_digest
    );
}

#[test]
fn validate_parts_are_made_once_and_removed_once() {
    let space = Space::new("parts");
    let image = format!("generator@sha256:{}", "1".repeat(64));
    let other = format!("generator@sha256:{}", "2".repeat(64));
    let ensured = Ensured::new(&space, &image);
    let family = format!("validate-{}", space.name);
    assert_eq!(
        ensured.json,
        json!({
            "cluster": format!("validate-{}-cluster", space.name),
            "bucket": format!("validate-{}-000000000000-us-east-1", space.name),
            "task_definition": format!("{family}:1"),
            "container": space.name,
            "preview_task_definition": format!("{family}-preview:1"),
            "log_group": format!("/validate/ecs/{}", space.name),
            "log_stream_prefix": "ecs",
            "subnets": [],
            "security_groups": [],
        })
    );
    let again = space.ok(ensure(&image));
    assert_eq!(again, ensured.json, "the second time changes nothing");
    let changed = space.ok(ensure(&other));
    assert_eq!(changed["task_definition"], json!(format!("{family}:2")));

    // What the role of the task may do is what IAM says it may do.
    let principal = format!(
        "arn:aws:iam::000000000000:role/validate-{}-task-role",
        space.name
    );
    let rights = space.ok(CheckRights {
        principal: Some(principal),
        command: Some("validate".to_owned()),
    });
    let allowed: Vec<&str> = rights["rights"]
        .as_array()
        .expect("rights")
        .iter()
        .filter(|right| right["allowed"] == json!(true))
        .map(|right| right["action"].as_str().expect("action"))
        .collect();
    assert_eq!(allowed, ["s3:GetObject", "s3:PutObject"]);

    assert_eq!(
        space.ok(RemoveValidation {}),
        json!({ "removed": [
            format!("task-definition/{family}:1"),
            format!("task-definition/{family}:2"),
            format!("task-definition/{family}-preview:1"),
            format!("task-definition/{family}-preview:2"),
            format!("bucket/validate-{}-000000000000-us-east-1", space.name),
            format!("log-group//validate/ecs/{}", space.name),
            format!("role/validate-{}-task-role", space.name),
            format!("role/validate-{}-execution-role", space.name),
            format!("cluster/validate-{}-cluster", space.name),
        ] })
    );
    assert_eq!(space.ok(RemoveValidation {}), json!({ "removed": [] }));
}

#[test]
fn policies_say_what_the_file_says_also_after_many_changes() {
    let space = Space::new("policies");
    let sdk = Sdk::new();
    let name = format!("{}-execution", space.name);
    let file = space.path("policies.json");
    let policies = WritePolicies { file: file.clone() };
    let arn = format!("arn:aws:iam::000000000000:policy/{name}");
    let write = |resource: &str| {
        let policies = json!({ &name: { "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }
        ] } });
        std::fs::write(&file, policies.to_string()).expect("written");
    };
    let versions = || {
        let listed = sdk.run(sdk.iam().list_policy_versions().policy_arn(&arn).send());
        let mut versions: Vec<(String, bool)> = listed
            .expect("versions")
            .versions()
            .iter()
            .map(|version| {
                let id = version.version_id().expect("an id").to_owned();
                (id, version.is_default_version())
            })
            .collect();
        versions.sort();
        versions
    };
    // The sixth version takes the place of the first; saying the same again adds none.
    for number in [1, 2, 3, 4, 5, 6, 6] {
        write(&format!(
            "arn:aws:s3:::b-${{ACCOUNT}}-${{REGION}}/{number}%20/*"
        ));
        assert_eq!(space.ok(policies.clone()), json!({ "arns": [arn] }));
    }
    let expected = [
        ("v2", false),
        ("v3", false),
        ("v4", false),
        ("v5", false),
        ("v6", true),
    ];
    assert_eq!(
        versions(),
        expected.map(|(id, default)| (id.to_owned(), default))
    );

    std::fs::write(&file, "{").expect("written");
    let wrong = space.call(policies);
    assert_eq!(wrong.exit_code, Some(2), "{}", wrong.stdout);
    for (id, is_default) in versions() {
        if !is_default {
            let request = sdk.iam().delete_policy_version().policy_arn(&arn);
            sdk.run(request.version_id(id).send()).expect("deleted");
        }
    }
    sdk.run(sdk.iam().delete_policy().policy_arn(&arn).send())
        .expect("deleted");
}
