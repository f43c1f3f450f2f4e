//! What tokens cost: a table in a file, with the day on which it was true.

use crate::usage::{Usage, Usd};
use serde::Deserialize;
use std::collections::BTreeMap;
use time::Date;
use time::macros::format_description;

/// The table that comes with this crate.
const BUILT_IN: &str = include_str!("prices.toml");

/// Prices by model.
#[derive(Debug, Clone)]
pub struct Prices {
    as_of: Date,
    models: BTreeMap<String, Price>,
}

/// Why a table is refused.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// Not TOML of the right form.
    #[error("the price table cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// The day is no day.
    #[error("as_of of the price table is not a day like 2026-11-29: {0}")]
    Day(#[from] time::error::Parse),
    /// A price is negative, or no number.
    #[error("the price table has a price of {model} that is no amount of dollars")]
    Amount {
        /// Whose price.
        model: String,
    },
    /// A model is in it twice.
    #[error("the price table has {model} twice")]
    Twice {
        /// Which.
        model: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    as_of: String,
    models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    input: f64,
    cache_read: f64,
    cache_write: f64,
    cache_write_long: f64,
    output: f64,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    input: f64,
    output: f64,
}

/// Dollars for a million tokens of each kind.
#[derive(Debug, Clone, Copy)]
struct Rates {
    input: Usd,
    cache_read: Usd,
    cache_write: Usd,
    cache_write_long: Usd,
    output: Usd,
}

/// The price of one model.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    usual: Rates,
    /// The input above which a whole request costs more, and what.
    long: Option<(u64, Rates)>,
}

impl Price {
    /// What an answer cost.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> Usd {
        let rates = match &self.long {
            Some((above, rates)) if usage.all_input() > *above => rates,
            _ => &self.usual,
        };
        rates.input.per_million(usage.input)
            + rates.cache_read.per_million(usage.cache_read)
            + rates.cache_write.per_million(usage.cache_write)
            + rates.cache_write_long.per_million(usage.cache_write_long)
            + rates.output.per_million(usage.output)
    }
}

impl Prices {
    /// The table that comes with this crate.
    ///
    /// # Errors
    /// It is broken, which the tests of this crate rule out.
    pub fn built_in() -> Result<Self, PriceError> {
        Self::parse(BUILT_IN)
    }

    /// A table of the same form, with other models or newer prices.
    ///
    /// # Errors
    /// It cannot be used as it is.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let file: File = toml::from_str(text)?;
        let as_of = Date::parse(&file.as_of, format_description!("[year]-[month]-[day]"))?;
        let mut models = BTreeMap::new();
        for entry in file.models {
            let price = entry.price();
            let model = entry.name;
            let Some(price) = price else {
                return Err(PriceError::Amount { model });
            };
            if models.insert(model.clone(), price).is_some() {
                return Err(PriceError::Twice { model });
            }
        }
        Ok(Self { as_of, models })
    }

    /// The day on which the prices were true.
    #[must_use]
    pub const fn as_of(&self) -> Date {
        self.as_of
    }

    /// The price of a model, or of the model that a name with a date is a snapshot of. A name that only
    /// begins alike is another model.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<&Price> {
        self.models
            .get(model)
            .or_else(|| self.models.get(without_date(model)?))
    }
}

impl Entry {
    fn price(&self) -> Option<Price> {
        let usual = Rates {
            input: Usd::new(self.input)?,
            cache_read: Usd::new(self.cache_read)?,
            cache_write: Usd::new(self.cache_write)?,
            cache_write_long: Usd::new(self.cache_write_long)?,
            output: Usd::new(self.output)?,
        };
        let long = match &self.long {
            None => None,
            Some(long) => {
                let rates = Rates {
                    input: Usd::new(self.input * long.input)?,
                    cache_read: Usd::new(self.cache_read * long.input)?,
                    cache_write: Usd::new(self.cache_write * long.input)?,
                    cache_write_long: Usd::new(self.cache_write_long * long.input)?,
                    output: Usd::new(self.output * long.output)?,
                };
                Some((long.above, rates))
            }
        };
        Some(Price { usual, long })
    }
}

/// A name without the date at its end: `-20261007` or `-2026-10-07`.
fn without_date(model: &str) -> Option<&str> {
    let is_date = |text: &str, form: &[u8]| {
        text.len() == form.len()
            && text.bytes().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    };
    [b"-00000000".as_slice(), b"-0000-00-00"]
        .iter()
        .find_map(|form| {
            let (name, date) = model.split_at_checked(model.len().checked_sub(form.len())?)?;
            is_date(date, form).then_some(name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_prices_the_models_of_both_agents() {
        let prices = Prices::built_in().unwrap();
        assert!(prices.as_of().year() >= 2026);
        // What Claude Code itself said about these answers.
        let usage = |input, output| Usage {
            input,
            output,
            ..Usage::default()
        };
        let cost = |model: &str, usage| prices.find(model).unwrap().of(&usage);
        let said = [
            ("claude-opus-5-5", usage(1000, 200), 0.008),
            ("claude-opus-5-5", usage(2000, 250), 0.013),
            ("claude-sonnet-4-5", usage(100, 50), 0.00105),
        ];
        for (model, usage, dollars) in said {
            assert_eq!(cost(model, usage), Usd::new(dollars).unwrap(), "{model}");
        }
        for model in ["gpt-5.5", "gpt-6-luna", "gpt-6.1-terra", "gpt-6.2-sol"] {
            assert!(prices.find(model).is_some(), "{model}");
        }
    }

    #[test]
    fn every_kind_of_token_has_its_price_and_a_long_prompt_costs_more() {
        let prices = Prices::parse(
            "as_of = '2026-01-02'\n[[models]]\nname = 'm'\ninput = 1\ncache_read = 0.1\n\
             cache_write = 1.25\ncache_write_long = 2\noutput = 5\nlong = { above = 4_000_000, input = 2, output = 1.5 }",
        )
        .unwrap();
        let million = 1_000_000;
        let mut usage = Usage {
            input: million,
            cache_read: million,
            cache_write: million,
            cache_write_long: million,
            output: million,
            thinking: million,
        };
        let price = prices.find("m").unwrap();
        assert_eq!(price.of(&usage), Usd::new(9.35).unwrap());
        usage.input += 1;
        assert_eq!(
            price.of(&usage),
            Usd::new(2.0 * 4.35 + 7.5 + 0.000_002).unwrap()
        );
    }

    #[test]
    fn a_snapshot_has_the_price_of_its_model_and_a_relative_has_none() {
        let prices = Prices::built_in().unwrap();
        for name in ["claude-opus-5-5-20260930", "gpt-6-sol-2026-09-22"] {
            assert!(prices.find(name).is_some(), "{name}");
        }
        for name in [
            "",
            "-20260930",
            "gpt-6-sol-mini",
            "gpt-6-sol-2026",
            "x-opus-5-5",
            "ü-20260930",
        ] {
            assert!(prices.find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_table_that_could_be_misread_is_refused() {
        let model = "[[models]]\nname = 'm'\ninput = 1\ncache_read = 0\ncache_write = 0\ncache_write_long = 0\n";
        let day = "as_of = '2026-11-29'\n";
        let refused = [
            format!("{day}{model}"),
            format!("as_of = 'today'\n{model}output = 1\n"),
            format!("{day}{model}output = -1\n"),
            format!("{day}{model}output = nan\n"),
            format!("{day}{model}output = 1\ncached = 2\n"),
            format!("{day}{model}output = 1\n{model}output = 1\n"),
        ];
        for text in refused {
            assert!(Prices::parse(&text).is_err(), "{text}");
        }
        assert!(Prices::parse(&format!("{day}{model}output = 1\n")).is_ok());
    }
}
