//! The regular expressions that patterns turn into.
//!
//! Patterns can reach a good part of Go's syntax, but only one group, `(.*/)?`. So
//! an expression is alternatives of plain sequences, and a sequence is matched by
//! following the set of positions that each of its steps can lead to: one pass per
//! step, whatever the expression.

mod parser;

use crate::ignore::class::{Class, is_word};
use crate::ignore::pattern::Candidate;

/// An expression.
#[derive(Debug)]
pub(super) struct Regexp {
    alternatives: Box<[Sequence]>,
}

/// Steps one after the other. Literal text at its ends stands apart: most paths
/// fail there, and comparing bytes is cheap.
#[derive(Debug)]
struct Sequence {
    /// It begins where the path begins.
    is_anchored_at_start: bool,
    prefix: Box<str>,
    steps: Box<[Step]>,
    suffix: Box<str>,
    /// It ends where the path ends.
    is_anchored_at_end: bool,
}

#[derive(Debug, Clone)]
enum Step {
    /// Characters of a class, at least and at most so many.
    Characters {
        class: Class,
        least: u16,
        most: Option<u16>,
    },
    /// `(.*/)?`
    Directories,
    Start,
    End,
    /// Between a word and something else, or not.
    WordBoundary(bool),
    /// An anchor that may be left out.
    Nothing,
}

impl Step {
    fn one(class: Class) -> Self {
        Self::Characters {
            class,
            least: 1,
            most: Some(1),
        }
    }

    /// The one character that it stands for. U+FFFD stands for many byte sequences.
    fn literal(&self) -> Option<char> {
        match self {
            Self::Characters {
                class: Class::One(point),
                least: 1,
                most: Some(1),
            } => {
                char::from_u32(*point).filter(|&character| character != char::REPLACEMENT_CHARACTER)
            }
            _ => None,
        }
    }
}

impl Regexp {
    /// Parses Go's syntax.
    ///
    /// # Errors
    /// Go refuses it too, or it is one of the few things that are not supported:
    /// Unicode classes and repeated repetitions.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let alternatives = parser::parse(text)?;
        Ok(Self {
            alternatives: alternatives.into_iter().map(Sequence::new).collect(),
        })
    }

    pub(super) fn matches(&self, path: &Candidate) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| alternative.matches(path))
    }
}

impl Sequence {
    fn new(mut steps: Vec<Step>) -> Self {
        let is_anchored_at_start = matches!(steps.first(), Some(Step::Start));
        let is_anchored_at_end = matches!(steps.last(), Some(Step::End));
        if is_anchored_at_end {
            steps.pop();
        }
        let mut prefix = String::new();
        if is_anchored_at_start {
            prefix.extend(steps[1..].iter().map_while(Step::literal));
            steps.drain(..=prefix.chars().count());
        }
        let mut suffix = Vec::new();
        if is_anchored_at_end {
            suffix.extend(steps.iter().rev().map_while(Step::literal));
            steps.truncate(steps.len() - suffix.len());
        }
        Self {
            is_anchored_at_start,
            prefix: prefix.into(),
            steps: steps.into(),
            suffix: suffix.into_iter().rev().collect(),
            is_anchored_at_end,
        }
    }

    fn matches(&self, path: &Candidate) -> bool {
        let bytes = path.bytes;
        if bytes.len() < self.prefix.len() + self.suffix.len()
            || !bytes.starts_with(self.prefix.as_bytes())
            || !bytes.ends_with(self.suffix.as_bytes())
        {
            return false;
        }
        let characters = path.characters();
        let first = self.prefix.chars().count();
        let last = characters.len() - self.suffix.chars().count();
        let mut positions: Vec<usize> = if self.is_anchored_at_start {
            vec![first]
        } else {
            (first..=last).collect()
        };
        for step in &self.steps {
            positions = step.follow(&positions, characters, last);
            if positions.is_empty() {
                return false;
            }
        }
        !self.is_anchored_at_end || positions.last() == Some(&last)
    }
}

impl Step {
    /// Where the step can lead to from the positions, which are sorted, as are
    /// those it returns; none lies behind `last`.
    fn follow(&self, positions: &[usize], characters: &[char], last: usize) -> Vec<usize> {
        let filter = |is_kept: &dyn Fn(usize) -> bool| {
            let kept = positions.iter().copied();
            kept.filter(|&position| is_kept(position)).collect()
        };
        match self {
            Self::Characters { class, least, most } => {
                follow_characters(class, *least, *most, positions, &characters[..last])
            }
            Self::Directories => follow_directories(positions, &characters[..last]),
            Self::Start => filter(&|position| position == 0),
            Self::End => filter(&|position| position == characters.len()),
            Self::WordBoundary(is_wanted) => filter(&|position| {
                let is_word_at =
                    |index: Option<usize>| index.is_some_and(|index| is_word_in(characters, index));
                let is_boundary = is_word_at(position.checked_sub(1)) != is_word_at(Some(position));
                is_boundary == *is_wanted
            }),
            Self::Nothing => positions.to_vec(),
        }
    }
}

fn is_word_in(characters: &[char], index: usize) -> bool {
    characters
        .get(index)
        .is_some_and(|&character| is_word(character))
}

fn follow_characters(
    class: &Class,
    least: u16,
    most: Option<u16>,
    positions: &[usize],
    characters: &[char],
) -> Vec<usize> {
    let mut reached: Vec<usize> = Vec::new();
    // Where the characters of the class end that begin at the position.
    let mut end = 0;
    for &position in positions {
        end = end.max(position);
        while characters
            .get(end)
            .is_some_and(|&character| class.contains(character))
        {
            end += 1;
        }
        let nearest = position + usize::from(least);
        let farthest = most.map_or(end, |most| end.min(position + usize::from(most)));
        let next = reached.last().map_or(0, |last| last + 1);
        reached.extend(nearest.max(next)..=farthest);
    }
    reached
}

/// Stays, or goes behind any later slash of the same line.
fn follow_directories(positions: &[usize], characters: &[char]) -> Vec<usize> {
    let mut reached = Vec::new();
    let mut starts = positions.iter().peekable();
    let mut is_under_way = false;
    for position in positions[0]..=characters.len() {
        let is_start = starts.next_if_eq(&&position).is_some();
        let is_behind_slash = is_under_way && characters[position - 1] == '/';
        if is_start || is_behind_slash {
            reached.push(position);
        }
        is_under_way |= is_start;
        if characters.get(position) == Some(&'\n') {
            is_under_way = false;
        }
    }
    reached
}
