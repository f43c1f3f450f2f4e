//! The table of what GitHub refuses: each refusal has a text of its own, and says what to do next.

use crate::faults::fault;
use crate::hub::{Fault, Repository, TOKEN};
use crate::world::{PROJECT, World, repository, target};
use app_gen_github::{Mode, Target};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

const FULL_NAME: &str = "acme/plant-diary";

/// A refusal: how it comes about, and what is said of it.
struct Case {
    arrange: fn(&World),
    target: Target,
    text: &'static str,
    /// A part of the next step.
    hint: &'static str,
    retryable: bool,
}

impl World {
    /// A program that the server of the repositories runs as a push comes in.
    fn hook(&self, name: &str, script: &str) {
        let folder = self.hub.shared.path(FULL_NAME).join("hooks");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\ncat > /dev/null\n{script}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    }

    /// Refuses pushes with these lines, as GitHub's own hooks do.
    fn refuse(&self, lines: &[&str]) {
        self.hub.shared.create(FULL_NAME, ours());
        let echo = lines.iter().map(|line| format!("echo '{line}' >&2\n"));
        self.hook(
            "pre-receive",
            &format!("{}exit 1", echo.collect::<String>()),
        );
    }
}

/// A repository that is known to be the project's.
fn ours() -> Repository {
    let mut ours = repository("main");
    ours.description = Some(format!("A diary (App-Gen project {PROJECT})"));
    ours
}

/// An answer of the server of the repositories, which has texts and no JSON.
fn of_git(status: u16, text: &str) -> Fault {
    let mut fault = fault("GET /git/", status, "");
    text.clone_into(&mut fault.body);
    fault
}

fn new(owner: &str) -> Target {
    target(Some(owner), Mode::NewRepository)
}

fn of_creating() -> Vec<Case> {
    vec![
        Case {
            arrange: |_| {},
            target: new("nobody"),
            text: "GitHub has no user or organisation nobody in which this token can create a repository",
            hint: "correct the owner",
            retryable: false,
        },
        Case {
            arrange: |_| {},
            target: new("closed"),
            text: "the token may not create the repository closed/plant-diary: You need admin access to \
                the organization before adding a repository to it.",
            hint: "use a token with the scope `repo`",
            retryable: false,
        },
        Case {
            arrange: |world| {
                let call = "GET /api/repos/acme/plant-diary";
                let mut fault = fault(
                    call,
                    403,
                    "Resource protected by organization SAML enforcement.",
                );
                let page =
                    "required; url=https://github.com/orgs/acme/sso?authorization_request=A1";
                fault.headers.push(("x-github-sso", page.to_owned()));
                world.fail(fault);
            },
            target: new("acme"),
            text: "the token may not look up the repository acme/plant-diary: the organisation demands \
                its single sign-on (SAML)",
            hint: "at https://github.com/orgs/acme/sso?authorization_request=A1,",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.foreign(FULL_NAME, repository("main"));
            },
            target: new("acme"),
            text: "the name acme/plant-diary is taken by a repository that is not this project's",
            hint: "choose another name",
            retryable: false,
        },
        Case {
            // It is there, and this token may not see it.
            arrange: |world| {
                world.hub.shared.create(FULL_NAME, ours());
                let mut hidden = fault("GET /api/repos/acme/plant-diary", 404, "Not Found");
                hidden.times = 2;
                world.fail(hidden);
            },
            target: new("acme"),
            text: "the name acme/plant-diary is taken by a repository that is not this project's",
            hint: "choose another name",
            retryable: false,
        },
    ]
}

fn of_repositories() -> Vec<Case> {
    vec![
        Case {
            arrange: |_| {},
            target: target(Some("acme"), Mode::PullRequest),
            text: "GitHub has no repository acme/plant-diary that this token may see",
            hint: "correct the name",
            retryable: false,
        },
        Case {
            arrange: |world| {
                let mut archived = ours();
                archived.is_archived = true;
                world.hub.shared.create(FULL_NAME, archived);
            },
            target: new("acme"),
            text: "the repository acme/plant-diary is archived and takes no commits",
            hint: "unarchive",
            retryable: false,
        },
        Case {
            arrange: |world| {
                let mut large = repository("main");
                large.size = 3 * 1024 * 1024;
                world.foreign(FULL_NAME, large);
            },
            target: target(Some("acme"), Mode::PullRequest),
            text: "the repository acme/plant-diary has 3072 MiB, more than is compared with a version",
            hint: "deliver it as a new repository",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.foreign(FULL_NAME, ours());
            },
            target: new("acme"),
            text: "the branch main of acme/plant-diary has commits that this version does not have",
            hint: "deliver it as a pull request",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.hub.shared.create(FULL_NAME, ours());
                world.hook(
                    "post-receive",
                    "git update-ref refs/heads/main refs/heads/main^",
                );
            },
            target: new("acme"),
            text: "the branch main of acme/plant-diary should have the commit VERSION and has PARENT",
            hint: "look at who else writes to this branch",
            retryable: true,
        },
    ]
}

fn of_pushing() -> Vec<Case> {
    vec![
        Case {
            arrange: |world| {
                world.refuse(&[
                    "error: GH006: Protected branch update failed for refs/heads/main.",
                    "- Changes must be made through a pull request.",
                ]);
            },
            target: new("acme"),
            text: "the branch main of acme/plant-diary is protected: error: GH006: Protected branch \
                update failed for refs/heads/main. - Changes must be made through a pull request.",
            hint: "deliver it as a pull request",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.refuse(&[
                    "refusing to allow a Personal Access Token to create or update workflow \
                    `.github/workflows/build.yml` without `workflow` scope",
                ]);
            },
            target: new("acme"),
            text: "the token may not write workflows to acme/plant-diary: refusing to allow a Personal \
                Access Token to create or update workflow `.github/workflows/build.yml` without \
                `workflow` scope",
            hint: "the scope `workflow`",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.refuse(&[
                    "error: GH013: Repository rule violations found for refs/heads/main.",
                    "- Push cannot contain secrets",
                ]);
            },
            target: new("acme"),
            text: "GitHub found a secret in the version and does not take it to acme/plant-diary: error: \
                GH013: Repository rule violations found for refs/heads/main. - Push cannot contain secrets",
            hint: "takes the secret out",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.refuse(&["error: GH001: Large files detected."]);
            },
            target: new("acme"),
            text: "a file of the version is too large for acme/plant-diary: error: GH001: Large files \
                detected.",
            hint: "makes the file smaller",
            retryable: false,
        },
        Case {
            arrange: |world| world.refuse(&["the moon is full"]),
            target: new("acme"),
            text: "GitHub refuses to write to the repository acme/plant-diary: the moon is full",
            hint: "do what GitHub says",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.hub.shared.create(FULL_NAME, ours());
                let text = "Permission to acme/plant-diary.git denied to app-gen-bot.";
                world.fail(of_git(403, text));
            },
            target: new("acme"),
            text: "the token may not write to the repository acme/plant-diary: Permission to \
                acme/plant-diary.git denied to app-gen-bot.",
            hint: "use a token with the scope `repo`",
            retryable: false,
        },
        Case {
            arrange: |world| {
                world.hub.shared.create(FULL_NAME, ours());
                let text = "The 'acme' organization has enabled or enforced SAML SSO.";
                world.fail(of_git(403, text));
            },
            target: new("acme"),
            text: "the token may not write to the repository acme/plant-diary: the organisation demands \
                its single sign-on (SAML)",
            hint: "Configure SSO",
            retryable: false,
        },
    ]
}

async fn refuses(cases: Vec<Case>) {
    for case in cases {
        let world = World::new().await;
        (case.arrange)(&world);
        let error = world.deliver(&case.target, 1).await.unwrap_err();
        let [first, second] = &world.application.versions;
        let text = case
            .text
            .replace("VERSION", second)
            .replace("PARENT", first);
        assert_eq!(error.to_string(), text);
        let hint = error.hint();
        assert!(hint.contains(case.hint), "{text}: {hint}");
        assert_eq!(error.retryable(), case.retryable, "{text}");
        assert!(!format!("{error:?}").contains(TOKEN), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_cannot_be_created() {
    refuses(of_creating()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_cannot_take_the_version() {
    refuses(of_repositories()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_refused() {
    refuses(of_pushing()).await;
}
