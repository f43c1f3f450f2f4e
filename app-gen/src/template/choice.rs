//! Which application of the catalogue a description asks for, by its words. No model is asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::template::catalogue::{Application, CATALOGUE, LIST};
use crate::template::name::title_words;
use crate::template::words::{clauses, stem};

/// Words after which a clause says what is not wanted.
const NEGATIONS: [&str; 11] = [
    "don't", "don’t", "isn't", "isn’t", "instead", "neither", "never", "no", "nor", "not",
    "without",
];

/// Words after which it says what is wanted again: "not a list but a board", "not just a list".
const TURNS: [&str; 5] = ["although", "but", "just", "only", "yet"];

/// Phrases in which a word of the catalogue means something else.
const OTHER_MEANINGS: [&str; 31] = [
    "bank note",
    "birthday card",
    "board game",
    "board meeting",
    "board member",
    "business card",
    "card game",
    "cheese board",
    "credit card",
    "cutting board",
    "gift card",
    "greeting card",
    "list price",
    "musical note",
    "name tag",
    "note that",
    "on board",
    "playing card",
    "price list",
    "price tag",
    "report card",
    "score board",
    "skate board",
    "slot machine",
    "stock broker",
    "stock exchange",
    "stock market",
    "stock photo",
    "stock price",
    "thank you note",
    "trading card",
];

/// The longest phrase of the vocabulary, in words.
const MAX_PHRASE_WORDS: usize = 3;

/// An application, and the terms of its vocabulary that spoke for it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) application: &'static Application,
    /// Empty where nothing was found.
    pub(super) because: Vec<&'static str>,
}

/// The application with the highest score. A term counts once for the whole description, and once more for
/// its title. Where no application or several of them are the best, it is the list.
pub(super) fn choose(description: &str) -> Choice {
    let vocabulary = Vocabulary::new();
    let title_words = title_words(description);
    let title_words: Vec<&str> = title_words.iter().map(String::as_str).collect();
    let in_title = vocabulary.find(&[title_words]);
    let in_text = vocabulary.find(&clauses(description));

    let mut scores = vec![0; CATALOGUE.len()];
    for place in in_text.iter().chain(&in_title) {
        scores[place.application] += place.term().1;
    }
    let best = scores.iter().copied().max().unwrap_or(0);
    let chosen = match scores.iter().filter(|score| **score == best).count() {
        1 => scores
            .iter()
            .position(|score| *score == best)
            .unwrap_or(LIST),
        _ => LIST,
    };
    let because = in_text.union(&in_title);
    Choice {
        application: &CATALOGUE[chosen],
        because: because
            .filter(|place| place.application == chosen)
            .map(|place| place.term().0)
            .collect(),
    }
}

/// A term of an application: indices into the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    application: usize,
    term: usize,
}

impl Place {
    fn term(self) -> (&'static str, u32) {
        CATALOGUE[self.application].terms[self.term]
    }
}

/// Phrases as stems with a space between them, and where they stand in the catalogue: nowhere for
/// [`OTHER_MEANINGS`].
struct Vocabulary(BTreeMap<String, Vec<Place>>);

impl Vocabulary {
    fn new() -> Self {
        let mut phrases = BTreeMap::new();
        for phrase in OTHER_MEANINGS {
            phrases.insert(stems_of(phrase), Vec::new());
        }
        for (application, entry) in CATALOGUE.iter().enumerate() {
            for (term, (phrase, _)) in entry.terms.iter().enumerate() {
                let places: &mut Vec<Place> = phrases.entry(stems_of(phrase)).or_default();
                places.push(Place { application, term });
            }
        }
        Self(phrases)
    }

    /// The places of all phrases in the wanted part of `clauses`; a phrase takes the words that it is made
    /// of from shorter ones.
    fn find(&self, clauses: &[Vec<&str>]) -> BTreeSet<Place> {
        let mut found = BTreeSet::new();
        for clause in clauses {
            for stems in wanted(clause) {
                let mut rest = &stems[..];
                while !rest.is_empty() {
                    let longest = (1..=MAX_PHRASE_WORDS.min(rest.len()))
                        .rev()
                        .find_map(|count| Some((count, self.0.get(&rest[..count].join(" "))?)));
                    let (count, places) =
                        longest.map_or((1, &[][..]), |(count, places)| (count, places));
                    found.extend(places.iter().copied());
                    rest = &rest[count..];
                }
            }
        }
        found
    }
}

fn stems_of(phrase: &str) -> String {
    phrase.split(' ').map(stem).collect::<Vec<_>>().join(" ")
}

/// The stems of a clause in the order of its words, without the parts that say what is not wanted.
fn wanted(clause: &[&str]) -> Vec<Vec<String>> {
    let mut parts = vec![Vec::new()];
    let mut is_wanted = true;
    for word in clause {
        let word = word.to_lowercase();
        let word = word.trim_matches(|character: char| !character.is_alphanumeric());
        if NEGATIONS.contains(&word) {
            is_wanted = false;
            parts.push(Vec::new());
        } else if TURNS.contains(&word) {
            is_wanted = true;
        } else if let (true, Some(part)) = (is_wanted, parts.last_mut()) {
            let words = word.split(['-', '&', '+']).filter(|word| !word.is_empty());
            part.extend(words.map(stem));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(description: &str) -> &'static str {
        choose(description).application.folder
    }

    #[test]
    fn descriptions_get_what_they_ask_for() {
        for (expected, descriptions) in [
            (
                "list",
                &[
                    "A shopping list called \"Market day\" for two & more <people>, with `ticks` for what is bought",
                    "Build me a simple to-do list app",
                    "Packing list for a week at the sea",
                    "a list of books that I have read",
                    "Checklist before take-off: fuel, doors, lights",
                    "A todo app with tags and a calendar view",
                    "chores for the kids, to tick off",
                ][..],
            ),
            (
                "board",
                &[
                    "Kanban board for our marketing team",
                    "A Trello clone",
                    "a task board with columns To do, Doing and Done",
                    "Scrum board with backlog and sprints",
                    "Project board with notes on each card",
                    "Bug tracker: tickets move from stage to stage",
                    "Not just a list of tasks but a board to drag cards on",
                    "Sales pipeline for a small agency",
                ],
            ),
            (
                "booking",
                &[
                    "Booking calendar for a tennis court",
                    "People can book a slot at my hair salon",
                    "Appointments for a dentist",
                    "Let neighbours reserve the sauna by the hour",
                    "Meeting room reservations",
                    "A shared calendar for the family car",
                    "Scheduling of shifts for volunteers",
                    "Dog boarding bookings",
                    "Non-profit room booking, without payment",
                    "Timetable of the music school",
                ],
            ),
            (
                "poll",
                &[
                    "A poll: where do we go for lunch?",
                    "Let the team vote on ideas for the summer party",
                    "Customer survey with five questions",
                    "voting for the best photo",
                    "Questionnaire about our canteen",
                    "Run polls in my class, with a list of the results",
                    "Ballots for the garden club's election",
                ],
            ),
            (
                "inventory",
                &[
                    "Inventory of a workshop, with search",
                    "Track stock in our warehouse",
                    "What is in my freezer and what is running out?",
                    "Inventory list for spare parts",
                    "Household supplies: quantities and where they are stored",
                    "an inventory of board games",
                    "Equipment of the film club; search by serial number",
                    "Wine cellar catalogue",
                ],
            ),
            (
                "notes",
                &[
                    "Notes with tags",
                    "A recipe box: save recipes with ingredients and tags, search them fast",
                    "A plant diary",
                    "Personal wiki / knowledge base",
                    "note-taking app for lectures",
                    "Bookmarks, tagged and searchable",
                    "Journal of my travels",
                    "Notice board for our house",
                    "sticky notes, not a list",
                ],
            ),
        ] {
            for description in descriptions {
                let choice = choose(description);
                assert_eq!(
                    choice.application.folder, expected,
                    "{description:?}: {:?}",
                    choice.because
                );
            }
        }
    }

    #[test]
    fn without_a_best_application_it_is_the_list() {
        for description in [
            // Nothing found.
            "A chess clock for two",
            "A shop for used books, with a cart",
            "Skateboard tricks and a cutting board",
            "Follow the stock market and stock prices",
            "My collection of credit cards and bank notes",
            "A site for board members. Note that it has to be fast",
            "keyboards, dashboards and surveyors",
            // Only what is not wanted.
            "not a poll, no calendar, without notes",
            "I don't want a kanban board",
            // As much for several of them.
            "a board or a poll",
            "something with kanban, inventory, notes, surveys",
            // Other languages, and none.
            "ein Kalender für die Müllabfuhr",
            "une application pour les courses",
            "قائمة المشتريات",
            "買い物リスト。共有できる",
            "список дел на день",
            "🚀🚀🚀",
            "... !!! ???",
            "\u{202e}\u{200b}\u{0}",
            "' ' '' ’s -ing -- / & +",
        ] {
            let choice = choose(description);
            assert_eq!(choice.application.folder, "list", "{description:?}");
            assert_eq!(choice.because, [""; 0], "{description:?}");
        }
    }

    #[test]
    fn the_title_counts_more_than_the_details() {
        assert_eq!(chosen("Poll app. It has a board"), "poll");
        assert_eq!(chosen("Board app. It has a poll"), "board");
        assert_eq!(chosen("poll ".repeat(50).as_str()), "poll");
        // The same word many times is one word.
        assert_eq!(
            chosen(&format!("A board.{}", " vote vote.".repeat(50))),
            "board"
        );
    }

    #[test]
    fn the_terms_that_decided_are_named() {
        assert_eq!(
            choose("Vote on lunch. The votes stay secret").because,
            ["vote"]
        );
        assert_eq!(
            choose("Shopping list, or any other list").because,
            ["list", "shopping list"]
        );
    }

    #[test]
    fn any_text_gets_an_application() {
        let all: String = ('\u{0}'..='\u{2fff}').collect();
        let spaced: String = all.chars().flat_map(|character| [character, ' ']).collect();
        for description in [
            &*all,
            &*spaced,
            "",
            &"s'".repeat(2000),
            &"note ".repeat(800),
            &"a-".repeat(2000),
        ] {
            choose(description);
        }
    }

    #[test]
    fn no_term_is_unreachable_or_stands_twice() {
        for application in &CATALOGUE {
            let mut stems = BTreeSet::new();
            for (term, weight) in application.terms {
                assert!(
                    *weight > 0 && term.split(' ').count() <= MAX_PHRASE_WORDS,
                    "{term}"
                );
                assert!(stems.insert(stems_of(term)), "{term}");
                let found = choose(&format!("x, {term}"));
                assert!(
                    found.because.contains(term) || found.application.folder != application.folder,
                    "{term} is not found"
                );
            }
        }
        for phrase in OTHER_MEANINGS {
            assert!(phrase.split(' ').count() <= MAX_PHRASE_WORDS, "{phrase}");
            assert_eq!(chosen(&format!("x, {phrase}")), "list", "{phrase}");
        }
    }
}
