//! What is killed and when: cards of a deck that is dealt and shuffled again, so that each victim meets each
//! stage, in an order that follows from a number.

use std::time::Duration;

use crate::support::random::Random;
use crate::watch::Stage;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The generator's container, with all that is in it.
    Generator,
    /// Every Claude Code or Codex that works for the job.
    Agent,
    /// The scripted model.
    Model,
    Orchestrator,
}

impl Victim {
    pub const ALL: [Self; 4] = [
        Self::Generator,
        Self::Agent,
        Self::Model,
        Self::Orchestrator,
    ];

    /// Whether it is there to be killed in a stage.
    fn lives_in(self, stage: Stage) -> bool {
        match self {
            // At the start it says its version.
            Self::Agent => stage != Stage::Checks,
            Self::Generator | Self::Model | Self::Orchestrator => true,
        }
    }
}

/// A kill that is to come: as soon as a stage is reached, and some time has passed then.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    pub victim: Victim,
    pub stage: Stage,
    pub after: Duration,
}

/// A job gives up after more interruptions in a row, and after more crashes of an agent in one task.
const MAX_OF_A_VICTIM: usize = 2;

pub struct Deck {
    random: Random,
    cards: Vec<(Victim, Stage)>,
}

impl Deck {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            cards: Vec::new(),
        }
    }

    /// The kills of one job, in the order of its stages.
    pub fn deal(&mut self, count: usize) -> Vec<Card> {
        let mut hand: Vec<Card> = Vec::new();
        while hand.len() < count {
            let fits = |(victim, _): &(Victim, Stage)| {
                let same = hand.iter().filter(|card| card.victim == *victim);
                same.count() < MAX_OF_A_VICTIM
            };
            let Some(place) = self.cards.iter().position(fits) else {
                self.shuffle();
                continue;
            };
            let (victim, stage) = self.cards.remove(place);
            let after = self.random.below(usual_millis(stage));
            hand.push(Card {
                victim,
                stage,
                after: Duration::from_millis(after.try_into().unwrap()),
            });
        }
        hand.sort_by_key(|card| (card.stage, card.after));
        hand
    }

    /// Puts a whole deck under what is left.
    fn shuffle(&mut self) {
        let all = Victim::ALL
            .into_iter()
            .flat_map(|victim| Stage::ALL.map(|stage| (victim, stage)));
        let mut whole: Vec<_> = all
            .filter(|(victim, stage)| victim.lives_in(*stage))
            .collect();
        while !whole.is_empty() {
            let place = self.random.below(whole.len());
            self.cards.push(whole.swap_remove(place));
        }
    }
}

/// How long a stage takes while other jobs work beside this one. What comes later meets the next stage.
fn usual_millis(stage: Stage) -> usize {
    match stage {
        Stage::Start | Stage::Plan => 2_500,
        Stage::Build | Stage::Checks | Stage::Review => 6_000,
        Stage::Publish | Stage::End => 1_500,
    }
}
