//! Times as texts: RFC 3339 in UTC with whole milliseconds.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// UTC, cut to milliseconds. A time that UTC cannot express (on the first and the last possible day)
/// keeps its offset.
pub(crate) fn whole_milliseconds(time: OffsetDateTime) -> OffsetDateTime {
    let time = time.checked_to_offset(time::UtcOffset::UTC).unwrap_or(time);
    time.replace_millisecond(time.millisecond()).unwrap_or(time)
}

/// The text of a time that [`whole_milliseconds`] gave.
pub(crate) fn text(time: OffsetDateTime) -> String {
    let (hour, minute, second, millisecond) = time.to_hms_milli();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day()
    )
}

/// The time of a text, if [`text`] can write it again.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map(whole_milliseconds)
        .ok()
        .filter(is_writable)
}

/// The first and last day can leave the years of RFC 3339 when they are brought to UTC.
fn is_writable(time: &OffsetDateTime) -> bool {
    time.offset().is_utc() && (0..=9999).contains(&time.year())
}

/// For fields that hold a time or `null`.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};
    use time::OffsetDateTime;

    /// A time beyond the years of RFC 3339 is `null`: providers name times, and no event is lost for one
    /// that is nonsense.
    #[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(super::whole_milliseconds)
            .filter(super::is_writable)
            .map(super::text)
            .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        super::parse(&text)
            .map(Some)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not RFC 3339")))
    }
}
