//! Version numbers as tools print them.

use std::fmt;

/// The first three numbers of a version. Suffixes such as `+dfsg4` do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first version in a text such as `v20.19.2`, `Python 3.11.7` or `28.5.2+dfsg4`.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == ',')
            .find_map(Self::parse_word)
    }

    fn parse_word(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(word.len());
        let mut numbers = word[..end].split('.');
        let major = numbers.next()?.parse().ok()?;
        // A number alone is a count or a year.
        let minor = numbers.next()?.parse().ok()?;
        let patch = numbers.next().and_then(|patch| patch.parse().ok());
        Some(Self(major, minor, patch.unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_real_tools_are_found() {
        for (text, version) in [
            ("v20.19.2", Version(20, 19, 2)),
            ("Python 3.11.7", Version(3, 11, 7)),
            ("28.5.2+dfsg4", Version(28, 5, 2)),
            ("git version 2.39.5", Version(2, 39, 5)),
            ("rustc 1.95.0 (59807616e 2026-04-14)", Version(1, 95, 0)),
            (
                "github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4",
                Version(0, 29, 1),
            ),
            ("Docker Compose version 2.40.3-3", Version(2, 40, 3)),
            ("Docker version 28.2.2, build e6534b4", Version(28, 2, 2)),
            ("2.40", Version(2, 40, 0)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("no version, 7 words"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(Version(20, 9, 0) < Version(20, 19, 0));
        assert!(Version(3, 10, 0) <= Version(3, 10, 0));
    }
}
