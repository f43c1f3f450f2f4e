//! Decisions of people: where one is wanted, and what follows from it.

use app_gen_contract::{ApprovalPoint, Decision, JobSpec};

use crate::failure::Failure;

/// What a point of the pipeline does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The work goes on.
    GoOn,
    /// The attempt ends and asks.
    Ask,
    /// The work is done again with these notes, and then the attempt asks.
    Rework(String),
}

/// What this point does in this attempt.
///
/// # Errors
/// A person decided against the work.
pub(crate) fn at(point: ApprovalPoint, spec: &JobSpec) -> Result<Next, Failure> {
    if !spec.approvals.contains(&point) {
        return Ok(Next::GoOn);
    }
    let Some(decided) = &spec.attempt.decision else {
        return Ok(Next::Ask);
    };
    // What was asked for at a later point was approved here before, and the other way around.
    if decided.point != point {
        return Ok(if decided.point > point {
            Next::GoOn
        } else {
            Next::Ask
        });
    }
    match &decided.decision {
        Decision::Approved => Ok(Next::GoOn),
        Decision::Rejected { reason } => Err(Failure::job(
            format!("the application was rejected: {reason}"),
            "describe the application in other words, in a new job",
        )),
        Decision::Deferred { notes } => Ok(Next::Rework(notes.clone())),
    }
}

#[cfg(test)]
mod tests {
    use app_gen_contract::Decided;

    use super::*;
    use ApprovalPoint::{BeforeBuild, BeforePublish};

    fn spec(wanted: &[ApprovalPoint], decided: Option<(ApprovalPoint, Decision)>) -> JobSpec {
        let mut spec = JobSpec::new("job", "x", "template", "file:///out").unwrap();
        spec.approvals = wanted.iter().copied().collect();
        spec.attempt.decision = decided.map(|(point, decision)| Decided { point, decision });
        spec
    }

    #[test]
    fn only_what_is_wanted_and_undecided_is_asked() {
        assert_eq!(at(BeforePublish, &spec(&[], None)), Ok(Next::GoOn));
        let both = [BeforeBuild, BeforePublish];
        assert_eq!(at(BeforeBuild, &spec(&both, None)), Ok(Next::Ask));
        let first = spec(&both, Some((BeforeBuild, Decision::Approved)));
        assert_eq!(at(BeforeBuild, &first), Ok(Next::GoOn));
        assert_eq!(at(BeforePublish, &first), Ok(Next::Ask));
        let second = spec(&both, Some((BeforePublish, Decision::Approved)));
        assert_eq!(at(BeforeBuild, &second), Ok(Next::GoOn));
        assert_eq!(at(BeforePublish, &second), Ok(Next::GoOn));
    }

    #[test]
    fn a_decision_against_it_ends_the_job_with_its_words() {
        let rejected = Decision::Rejected {
            reason: "too blue".to_owned(),
        };
        let failure = at(
            BeforePublish,
            &spec(&[BeforePublish], Some((BeforePublish, rejected))),
        );
        assert_eq!(
            failure.unwrap_err().reason,
            "the application was rejected: too blue"
        );
        let deferred = Decision::Deferred {
            notes: "add a calendar".to_owned(),
        };
        assert_eq!(
            at(
                BeforeBuild,
                &spec(&[BeforeBuild], Some((BeforeBuild, deferred))),
            ),
            Ok(Next::Rework("add a calendar".to_owned()))
        );
    }
}
