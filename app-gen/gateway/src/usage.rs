//! Tokens that were used, and dollars.

use serde::{Serialize, Serializer};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// More than any answer takes. What a stream says beyond it is noise, and sums stay far from their end.
const MOST_TOKENS: u64 = 1 << 32;

/// Tokens. Each is in one field only, but for `thinking`, which is a part of `output`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Input that was neither read from a cache nor written to one.
    pub input: u64,
    /// Input that was read from a cache.
    pub cache_read: u64,
    /// Input that was written to a cache for the usual time.
    pub cache_write: u64,
    /// Input that was written to a cache for an hour.
    pub cache_write_long: u64,
    /// Output, thinking included.
    pub output: u64,
    /// The part of the output that was thinking, where the provider says it.
    pub thinking: u64,
}

impl Usage {
    /// All input.
    #[must_use]
    pub const fn all_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_long)
    }

    /// All tokens, as a budget counts them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.all_input().saturating_add(self.output)
    }

    /// The same within bounds that any answer keeps.
    pub(crate) fn bounded(self) -> Self {
        let bounded = |tokens: u64| tokens.min(MOST_TOKENS);
        Self {
            input: bounded(self.input),
            cache_read: bounded(self.cache_read),
            cache_write: bounded(self.cache_write),
            cache_write_long: bounded(self.cache_write_long),
            output: bounded(self.output),
            thinking: bounded(self.thinking),
        }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_long: self.cache_write_long.saturating_add(other.cache_write_long),
            output: self.output.saturating_add(other.output),
            thinking: self.thinking.saturating_add(other.thinking),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

/// US dollars, exact to a millionth of a millionth: the price of one token has up to seven digits
/// behind the point, and a sum of thousands of answers must not drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u64);

const PER_DOLLAR: f64 = 1e12;

impl Usd {
    /// An amount; nothing if it is negative, no number, or more than ten million dollars.
    #[must_use]
    pub fn new(dollars: f64) -> Option<Self> {
        let is_amount = (0.0..=1e7).contains(&dollars);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        is_amount.then(|| Self((dollars * PER_DOLLAR).round() as u64))
    }

    /// The amount as a number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people and for JSON")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PER_DOLLAR
    }

    /// So many millionths of a dollar.
    #[must_use]
    pub const fn from_millionths(micro_usd: u64) -> Self {
        Self(micro_usd.saturating_mul(1_000_000))
    }

    /// The amount in whole millionths of a dollar.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0.saturating_add(500_000) / 1_000_000
    }

    /// What so many tokens cost, where this is the price of a million of them.
    pub(crate) fn per_million(self, tokens: u64) -> Self {
        let all = u128::from(self.0) * u128::from(tokens) / 1_000_000;
        Self(u64::try_from(all).unwrap_or(u64::MAX))
    }

    /// What is more than `other`.
    pub(crate) const fn beyond(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.4} $", self.dollars())
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_prices_are_exact() {
        let price = Usd::new(0.0375).unwrap();
        let sum: Usd = (0..1_000_000).map(|_| price.per_million(1)).sum();
        assert_eq!(sum, Usd::new(0.0375).unwrap());
        assert_eq!(Usd::new(0.05).unwrap().to_string(), "0.0500 $");
        assert_eq!(Usd::from_millionths(50_000), Usd::new(0.05).unwrap());
        assert_eq!(Usd::from_millionths(50_001).millionths(), 50_001);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for amount in [-0.01, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Usd::new(amount), None, "{amount}");
        }
        let most = Usage {
            output: u64::MAX,
            input: u64::MAX,
            ..Usage::default()
        };
        assert_eq!((most + most).total(), u64::MAX);
        let price = Usd::new(1e7).unwrap();
        assert!(price.per_million(most.bounded().total()) > price);
    }
}
