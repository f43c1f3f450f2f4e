//! Decisions of people: where one is wanted, and what follows from it.

use app_gen_contract::{ApprovalPoint, Decision, JobSpec};

use crate::failure::Failure;

/// What a point of the pipeline does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The work goes on.
    GoOn,
    /// The attempt ends and asks.
    Ask,
}

/// What this point does in this attempt.
///
/// # Errors
/// A person decided against the work as it is, and the provider makes the same from the same words.
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
    let hint = "describe the application in other words, in a new job";
    match &decided.decision {
        Decision::Approved => Ok(Next::GoOn),
        Decision::Rejected { reason } => Err(Failure::job(
            format!("the application was rejected: {reason}"),
            hint,
        )),
        Decision::Deferred { notes } => Err(Failure::job(
            format!(
                "provider {:?} cannot take up what is still to be done: {notes}",
                spec.provider
            ),
            hint,
        )),
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
        let failure = at(
            BeforeBuild,
            &spec(&[BeforeBuild], Some((BeforeBuild, deferred))),
        );
        assert_eq!(
            failure.unwrap_err().reason,
            "provider \"template\" cannot take up what is still to be done: add a calendar"
        );
    }
}
