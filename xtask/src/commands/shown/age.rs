//! How long ago something was, for a table.

use time::OffsetDateTime;
use xtask_aws_api::Timestamp;

/// The time since `at` in its largest sensible unit; a dash if there is no such time.
#[must_use]
pub(crate) fn age(at: Option<Timestamp>) -> String {
    let Some(at) = at else {
        return "—".to_owned();
    };
    match (OffsetDateTime::now_utc() - at.date_time()).whole_seconds() {
        seconds @ ..120 => format!("{} s", seconds.max(0)),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let ago = |seconds| {
            let at = OffsetDateTime::now_utc() - time::Duration::seconds(seconds);
            age(Some(at.into()))
        };
        assert_eq!(
            [-5, 119, 125, 7_199, 7_300, 172_900].map(ago),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]
        );
        assert_eq!(age(None), "—");
    }
}
