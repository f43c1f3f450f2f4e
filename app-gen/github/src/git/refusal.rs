//! What git and GitHub say where a transfer fails, told apart.
//!
//! Git has one exit code for all of it, so these texts are what there is. Those of GitHub are stable:
//! they have codes, or people search for them. What is not known becomes [`Error::Refused`] with the
//! words themselves, and never a success.

use crate::error::Error;
use crate::git::workspace::last_words;
use std::time::Duration;

/// How long GitHub wants to be left alone where it does not say it, as its documentation has it.
pub(crate) const UNSAID_LIMIT: Duration = Duration::from_secs(60);

/// What a transfer is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'call> {
    /// `owner/name`.
    pub(crate) repository: &'call str,
    /// The name of a branch.
    pub(crate) branch: &'call str,
}

/// Texts that say that a server or the way to it fails in passing.
const IN_PASSING: [&str; 16] = [
    "returned error: 5",
    "could not resolve",
    "failed to connect",
    "couldn't connect",
    "connection refused",
    "connection reset",
    "connection timed out",
    "operation timed out",
    "operation too slow",
    "empty reply from server",
    "early eof",
    "rpc failed",
    "the remote end hung up",
    "recv failure",
    "transfer closed",
    "internal server error",
];

/// Why it failed. `words` are without the token.
pub(crate) fn refusal(words: &str, what: String, place: Place<'_>) -> Error {
    let lower = words.to_lowercase();
    let says = |text: &str| lower.contains(text);
    let repository = place.repository.to_owned();
    let branch = place.branch.to_owned();
    let reason = reason(words);
    if says("without `workflow` scope") || says("without `workflows` permission") {
        return Error::WorkflowScope { repository, reason };
    }
    if says("push cannot contain secrets") || says("gh009") {
        return Error::SecretFound { repository, reason };
    }
    // GH006 is a protected branch, and GH013 a rule of a ruleset.
    if says("gh006") || says("gh013") || says("protected branch") {
        return Error::ProtectedBranch {
            repository,
            branch,
            reason,
        };
    }
    if says("gh001") || says("large files detected") {
        return Error::FileTooLarge { repository, reason };
    }
    if says("(non-fast-forward)") || says("(fetch first)") || says("(stale info)") {
        return Error::NonFastForward { repository, branch };
    }
    if says("saml sso") || says("saml single sign") {
        return Error::SingleSignOn { what, url: None };
    }
    if says("archived so it is read-only") || says("archived so is read-only") {
        return Error::Archived { repository };
    }
    if says("returned error: 429") || says("rate limit") {
        return Error::RateLimited { wait: UNSAID_LIMIT };
    }
    if says("authentication failed") || says("invalid username or") {
        return Error::TokenRefused { reason };
    }
    if says("returned error: 403") || (says("permission to") && says("denied")) {
        return Error::NoRight { what, reason };
    }
    if says("repository not found") || (says("repository '") && says("' not found")) {
        return Error::RepositoryMissing { repository };
    }
    if IN_PASSING.iter().any(|text| says(text)) {
        return Error::Unavailable { what, reason };
    }
    Error::Refused { what, reason }
}

/// The server's own words, where there are any, or else those of git.
fn reason(words: &str) -> String {
    let remote: Vec<&str> = words
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let said = match remote.is_empty() {
        true => {
            let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("; ")
        }
        false => remote.join(" "),
    };
    last_words(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        repository: "acme/diary",
        branch: "main",
    };

    fn judged(words: &str) -> Error {
        refusal(
            words,
            "write to the repository acme/diary".to_owned(),
            PLACE,
        )
    }

    /// Texts as git 2.47 writes them and GitHub answers them.
    #[test]
    fn what_github_says_is_told_apart() {
        let workflow = "remote: refusing to allow a Personal Access Token to create or update workflow \
            `.github/workflows/build.yml` without `workflow` scope\n ! [remote rejected] a -> main (…)";
        assert!(matches!(judged(workflow), Error::WorkflowScope { .. }));
        let app = "! [remote rejected] (refusing to allow a GitHub App to create or update workflow \
            `.github/workflows/build.yml` without `workflows` permission)";
        assert!(matches!(judged(app), Error::WorkflowScope { .. }));
        let secret = "remote: error: GH013: Repository rule violations found for refs/heads/main.\n\
            remote: - Push cannot contain secrets\n";
        assert!(matches!(judged(secret), Error::SecretFound { .. }));
        let protected = "remote: error: GH006: Protected branch update failed for refs/heads/main.\n\
            remote: - Changes must be made through a pull request.\n";
        let Error::ProtectedBranch { reason, branch, .. } = judged(protected) else {
            panic!("{:?}", judged(protected));
        };
        assert_eq!(branch, "main");
        assert!(reason.ends_with("made through a pull request."), "{reason}");
        let large = "remote: error: GH001: Large files detected. You may want to try Git LFS";
        assert!(matches!(judged(large), Error::FileTooLarge { .. }));
        for words in [
            "!\ta:refs/heads/main\t[rejected] (non-fast-forward)",
            "!\ta:refs/heads/main\t[rejected] (fetch first)",
        ] {
            assert!(
                matches!(judged(words), Error::NonFastForward { .. }),
                "{words}"
            );
        }
        let sso = "remote: The 'acme' organization has enabled or enforced SAML SSO.\n\
            fatal: unable to access 'https://github.com/acme/diary.git/': The requested URL returned \
            error: 403";
        assert!(matches!(judged(sso), Error::SingleSignOn { .. }));
        let denied = "remote: Permission to acme/diary.git denied to bot.\n\
            fatal: unable to access 'https://github.com/acme/diary.git/': The requested URL returned \
            error: 403";
        let Error::NoRight { reason, .. } = judged(denied) else {
            panic!("{:?}", judged(denied));
        };
        assert_eq!(reason, "Permission to acme/diary.git denied to bot.");
        let archived = "remote: This repository was archived so it is read-only.\nfatal: 403";
        assert!(matches!(judged(archived), Error::Archived { .. }));
        let token = "fatal: Authentication failed for 'https://github.com/acme/diary.git/'";
        assert!(matches!(judged(token), Error::TokenRefused { .. }));
        let missing = "fatal: repository 'https://github.com/acme/diary.git/' not found";
        assert!(matches!(judged(missing), Error::RepositoryMissing { .. }));
        let limited = "fatal: unable to access 'x': The requested URL returned error: 429";
        assert!(matches!(judged(limited), Error::RateLimited { .. }));
    }

    #[test]
    fn what_passes_can_be_tried_again_and_what_is_not_known_is_refused() {
        for words in [
            "fatal: unable to access 'x': The requested URL returned error: 503",
            "fatal: unable to access 'x': Failed to connect to github.com port 443",
            "error: RPC failed; curl 52 Empty reply from server",
            "fatal: the remote end hung up unexpectedly",
        ] {
            assert!(judged(words).retryable(), "{words}");
        }
        let declined = "!\ta:refs/heads/main\t[remote rejected] (pre-receive hook declined)";
        let error = judged(declined);
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(
            error.to_string().contains("pre-receive hook declined"),
            "{error}"
        );
    }
}
