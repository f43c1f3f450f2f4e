//! What may be used, what was used, and by whom.

use crate::price::{Price, Prices};
use crate::usage::{Usage, Usd};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of a bill. Agents choose the names of models, so there is a bound, and the rest is together.
const MAX_LINES: usize = 256;
/// The model of the line for the rest.
const OTHERS: &str = "others";

/// How much may be used. What is reached refuses the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Dollars; without it, as many as it takes.
    pub usd: Option<Usd>,
    /// Tokens of all kinds; without it, as many as it takes.
    pub tokens: Option<u64>,
}

/// Why a budget refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exhausted {
    #[error("the budget of {whose} is used up: {spent} of {budget}")]
    Usd {
        whose: &'static str,
        spent: Usd,
        budget: Usd,
    },
    #[error("the budget of {whose} is used up: {spent} of {budget} tokens")]
    Tokens {
        whose: &'static str,
        spent: u64,
        budget: u64,
    },
    #[error(
        "the price of {model} is not known, so a budget in dollars alone cannot bound it: add its price to the table, or set a budget in tokens"
    )]
    Unpriced { model: String },
}

/// Who uses tokens, in which part of the work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The role that the agent has, `builder` for example.
    pub role: String,
    /// The stage of the pipeline, `build` for example.
    pub stage: String,
}

/// What was used of one model in one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// Requests that were sent to the provider.
    pub requests: u64,
    /// Those of them whose answers broke, so that `usage` may be too little.
    pub incomplete: u64,
    /// Tokens that the provider counted.
    pub usage: Usage,
    /// Tokens that nobody counted, estimated from what was sent and received of broken answers.
    pub estimated: Usage,
    /// Dollars for both.
    pub usd: Usd,
    /// Tokens of both for whose model no price is known. They are not in `usd`.
    pub unpriced_tokens: u64,
}

impl Spent {
    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.incomplete = self.incomplete.saturating_add(other.incomplete);
        self.usage += other.usage;
        self.estimated += other.estimated;
        self.usd += other.usd;
        self.unpriced_tokens = self.unpriced_tokens.saturating_add(other.unpriced_tokens);
    }

    /// Tokens as a budget counts them.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.usage.total().saturating_add(self.estimated.total())
    }
}

/// What one answer took.
pub(crate) fn spent(
    price: Option<&Price>,
    usage: Usage,
    estimated: Usage,
    is_whole: bool,
) -> Spent {
    let all = usage + estimated;
    Spent {
        requests: 1,
        incomplete: u64::from(!is_whole),
        usage,
        estimated,
        usd: price.map_or_else(Usd::default, |price| price.of(&all)),
        unpriced_tokens: match price {
            Some(_) => 0,
            None => all.total(),
        },
    }
}

/// A line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who used it.
    #[serde(flatten)]
    pub place: Place,
    /// The model that answered.
    pub model: String,
    /// How much.
    #[serde(flatten)]
    pub spent: Spent,
}

/// A request that is under way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    /// What the last answer to the same took, which this one is expected to take.
    expected: (Usd, u64),
    /// What is known of it so far.
    so_far: (Usd, u64),
}

impl Flight {
    /// What it will have taken, as far as anybody can know.
    fn reserved(&self) -> (Usd, u64) {
        let (usd, tokens) = self.so_far;
        (
            usd + self.expected.0.beyond(usd),
            tokens.max(self.expected.1),
        )
    }
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<(Place, String), Spent>,
    /// By place and number.
    flights: BTreeMap<u64, (Place, Flight)>,
    latest: HashMap<(Place, String), (Usd, u64)>,
    number: u64,
}

/// Everything that was used.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<State>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics happens while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request begin, if the budgets of the job and of the role allow it.
    ///
    /// Requests that are under way count with what they are expected to take, so that several at once
    /// do not each spend what is left.
    pub(crate) fn begin(
        &self,
        job: Budget,
        own: Budget,
        place: &Place,
        model: &str,
        prices: &Prices,
    ) -> Result<u64, Exhausted> {
        let mut state = self.lock();
        for (whose, budget, only) in [("the job", job, None), ("the role", own, Some(place))] {
            if budget.usd.is_some() && budget.tokens.is_none() && prices.find(model).is_none() {
                let model = model.to_owned();
                return Err(Exhausted::Unpriced { model });
            }
            let (usd, tokens) = state.reserved(only);
            if let Some(budget) = budget.usd.filter(|budget| usd >= *budget) {
                return Err(Exhausted::Usd {
                    whose,
                    spent: usd,
                    budget,
                });
            }
            if let Some(budget) = budget.tokens.filter(|budget| tokens >= *budget) {
                return Err(Exhausted::Tokens {
                    whose,
                    spent: tokens,
                    budget,
                });
            }
        }
        state.number += 1;
        let number = state.number;
        let key = (place.clone(), model.to_owned());
        let flight = Flight {
            expected: state.latest.get(&key).copied().unwrap_or_default(),
            so_far: (Usd::default(), 0),
        };
        state.flights.insert(number, (place.clone(), flight));
        Ok(number)
    }

    /// What a request that is under way has taken so far.
    pub(crate) fn update(&self, number: u64, so_far: &Spent) {
        if let Some((_, flight)) = self.lock().flights.get_mut(&number) {
            flight.so_far = (so_far.usd, so_far.tokens());
        }
    }

    /// A request has ended. It was for one model, and another may have answered.
    pub(crate) fn end(&self, number: u64, asked: &str, answered: &str, spent: &Spent) {
        let mut state = self.lock();
        let Some((place, _)) = state.flights.remove(&number) else {
            return;
        };
        let used = (spent.usd, spent.tokens());
        // An answer that was refused says nothing about what the next one takes.
        if used.1 > 0 && state.latest.len() < MAX_LINES {
            state.latest.insert((place.clone(), asked.to_owned()), used);
        }
        let mut key = (place, answered.to_owned());
        if state.lines.len() >= MAX_LINES && !state.lines.contains_key(&key) {
            key.1 = OTHERS.to_owned();
        }
        state.lines.entry(key).or_default().add(spent);
    }

    /// What was used by requests that have ended.
    pub(crate) fn bill(&self) -> Vec<Line> {
        let state = self.lock();
        let lines = state.lines.iter().map(|((place, model), spent)| Line {
            place: place.clone(),
            model: model.clone(),
            spent: *spent,
        });
        lines.collect()
    }
}

impl State {
    /// What was used and what is expected to be, by everybody or in one place.
    fn reserved(&self, only: Option<&Place>) -> (Usd, u64) {
        let counts = |place: &Place| only.is_none_or(|only| only.role == place.role);
        let lines = self.lines.iter().filter(|((place, _), _)| counts(place));
        let lines = lines.map(|(_, spent)| (spent.usd, spent.tokens()));
        let flights = self.flights.values().filter(|(place, _)| counts(place));
        let flights = flights.map(|(_, flight)| flight.reserved());
        let add = |sum: (Usd, u64), one: (Usd, u64)| (sum.0 + one.0, sum.1.saturating_add(one.1));
        lines.chain(flights).fold((Usd::default(), 0), add)
    }
}

/// All of a bill.
#[must_use]
pub fn total(bill: &[Line]) -> Spent {
    let mut total = Spent::default();
    for line in bill {
        total.add(&line.spent);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "claude-sonnet-5-5";

    fn place(role: &str) -> Place {
        Place {
            role: role.to_owned(),
            stage: "build".to_owned(),
        }
    }

    fn usd(dollars: f64) -> Budget {
        Budget {
            usd: Usd::new(dollars),
            tokens: None,
        }
    }

    /// What a request takes that costs one cent.
    fn cent(prices: &Prices) -> Spent {
        let usage = Usage {
            output: 1000,
            ..Usage::default()
        };
        spent(prices.find(MODEL), usage, Usage::default(), true)
    }

    #[test]
    fn a_budget_that_is_reached_refuses_the_next_request() {
        let (ledger, prices) = (Ledger::default(), Prices::built_in().unwrap());
        let begin = || {
            ledger.begin(
                usd(0.03),
                Budget::default(),
                &place("builder"),
                MODEL,
                &prices,
            )
        };
        for _ in 0..3 {
            let number = begin().unwrap();
            ledger.end(number, MODEL, MODEL, &cent(&prices));
        }
        let refused = begin().unwrap_err().to_string();
        assert_eq!(
            refused,
            "the budget of the job is used up: 0.0300 $ of 0.0300 $"
        );
        assert_eq!(total(&ledger.bill()).usd, Usd::new(0.03).unwrap());
    }

    #[test]
    fn requests_at_once_do_not_each_spend_what_is_left() {
        let (ledger, prices) = (Ledger::default(), Prices::built_in().unwrap());
        let begin = || {
            ledger.begin(
                usd(0.05),
                Budget::default(),
                &place("builder"),
                MODEL,
                &prices,
            )
        };
        let first = begin().unwrap();
        ledger.end(first, MODEL, MODEL, &cent(&prices));
        // A cent is spent, and each of these is expected to take another.
        let under_way: Vec<u64> = (0..4).map(|_| begin().unwrap()).collect();
        assert!(begin().is_err());
        // One of them took nothing, so there is room for one again.
        let nothing = spent(prices.find(MODEL), Usage::default(), Usage::default(), true);
        ledger.end(under_way[0], MODEL, MODEL, &nothing);
        begin().unwrap();
        assert!(begin().is_err());
        // What is known of one that is under way counts at once.
        ledger.update(under_way[1], &cent(&prices));
        assert!(begin().is_err());
    }

    #[test]
    fn a_role_has_a_budget_of_its_own() {
        let (ledger, prices) = (Ledger::default(), Prices::built_in().unwrap());
        let own = Budget {
            usd: None,
            tokens: Some(1000),
        };
        let begin = |role| ledger.begin(usd(1.0), own, &place(role), MODEL, &prices);
        let number = begin("tester").unwrap();
        ledger.end(number, MODEL, MODEL, &cent(&prices));
        let refused = begin("tester").unwrap_err().to_string();
        assert_eq!(
            refused,
            "the budget of the role is used up: 1000 of 1000 tokens"
        );
        assert!(begin("builder").is_ok());
    }

    #[test]
    fn a_model_without_a_price_is_bounded_by_tokens_or_not_asked() {
        let (ledger, prices) = (Ledger::default(), Prices::built_in().unwrap());
        let begin =
            |budget| ledger.begin(budget, Budget::default(), &place("builder"), "own", &prices);
        let refused = begin(usd(1.0)).unwrap_err();
        assert_eq!(
            refused,
            Exhausted::Unpriced {
                model: "own".to_owned()
            }
        );
        let both = Budget {
            tokens: Some(2000),
            ..usd(1.0)
        };
        for _ in 0..2 {
            let usage = Usage {
                input: 1000,
                ..Usage::default()
            };
            let number = begin(both).unwrap();
            ledger.end(
                number,
                "own",
                "own",
                &spent(None, usage, Usage::default(), true),
            );
        }
        assert!(matches!(begin(both), Err(Exhausted::Tokens { .. })));
        let total = total(&ledger.bill());
        assert_eq!((total.usd, total.unpriced_tokens), (Usd::default(), 2000));
        assert!(begin(Budget::default()).is_ok());
    }

    #[test]
    fn an_agent_that_invents_models_does_not_fill_the_memory() {
        let (ledger, prices) = (Ledger::default(), Prices::built_in().unwrap());
        for number in 0..1000 {
            let model = format!("model-{number}");
            let begun = ledger.begin(
                Budget::default(),
                Budget::default(),
                &place("builder"),
                &model,
                &prices,
            );
            ledger.end(begun.unwrap(), &model, &model, &cent(&prices));
        }
        assert_eq!(ledger.bill().len(), MAX_LINES + 1);
        assert_eq!(total(&ledger.bill()).requests, 1000);
        assert_eq!(ledger.lock().latest.len(), MAX_LINES);
    }
}
