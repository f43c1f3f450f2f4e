//! Which turn answers a request: a pure function of script and conversation.

use crate::conversation::{Conversation, Entry};
use crate::protocol::Protocol;
use crate::script::{Part, Script, Turn};
use std::collections::BTreeSet;

/// What is played.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Place of the part in the script.
    pub part: usize,
    /// Place of the turn among those that were played since the part began; with `repeat` it goes on.
    pub turn: usize,
    /// Calls of the turn that were made already.
    pub calls: usize,
    /// How much was said before. With part and turn it makes names that no other answer of the
    /// conversation has.
    pub position: usize,
    /// What is said; nothing when the part is over.
    pub content: Option<&'a Turn>,
}

/// The turn for a conversation; nothing if no part of the script is for it.
///
/// The newest cue decides. What came before it is not counted, so a resumed session that is asked for
/// something new begins a new part, and one that is only asked to go on goes on where it was.
#[must_use]
pub fn choose<'a>(
    script: &'a Script,
    conversation: &Conversation,
    protocol: Protocol,
) -> Option<Choice<'a>> {
    let role = role(script, conversation);
    let parts = || {
        let parts = script.parts.iter().enumerate();
        parts.filter(|(_, part)| part.role.is_none() || part.role == role)
    };
    let entries = &conversation.entries;
    let at_cue = entries.iter().enumerate().rev().find_map(|(at, entry)| {
        let (index, part) = parts().find(|(_, part)| begins(part, entry))?;
        Some((at, index, part))
    });
    let (start, index, part) = at_cue.or_else(|| {
        let (index, part) = parts().find(|(_, part)| is_without_cue(part))?;
        Some((0, index, part))
    })?;
    let needed: Vec<usize> = part
        .turns
        .iter()
        .map(|turn| protocol.count_calls(turn))
        .collect();
    let content = |turn: usize| match part.repeat {
        true => Some(turn % needed.len()),
        false => Some(turn).filter(|turn| *turn < needed.len()),
    };
    let (mut turn, mut made) = (0, 0);
    for entry in &entries[start..] {
        let (Entry::Answer { calls }, Some(now)) = (entry, content(turn)) else {
            continue;
        };
        made += calls;
        // An answer without the calls that it should have had broke before them.
        if made >= needed[now] {
            (turn, made) = (turn + 1, 0);
        }
    }
    Some(Choice {
        part: index,
        turn,
        calls: made,
        position: entries.len(),
        content: content(turn).map(|turn| &part.turns[turn]),
    })
}

fn is_without_cue(part: &Part) -> bool {
    part.cue.is_none() && part.cue_result.is_none()
}

fn begins(part: &Part, entry: &Entry) -> bool {
    let holds =
        |text: &str, cue: &Option<String>| cue.as_ref().is_some_and(|cue| text.contains(cue));
    match entry {
        Entry::Prompt(text) => holds(text, &part.cue),
        Entry::Results(results) => results
            .iter()
            .any(|result| holds(&result.text, &part.cue_result)),
        Entry::Answer { .. } | Entry::Aside => false,
    }
}

/// The role that the request shows: in its instructions, or else in its newest prompt that shows one.
fn role(script: &Script, conversation: &Conversation) -> Option<String> {
    let roles: BTreeSet<&String> = script
        .parts
        .iter()
        .filter_map(|part| part.role.as_ref())
        .collect();
    let prompts = conversation
        .entries
        .iter()
        .rev()
        .filter_map(|entry| match entry {
            Entry::Prompt(text) => Some(text),
            _ => None,
        });
    // Instructions that come later say more about this request than those that all requests have.
    let texts = conversation.instructions.iter().rev().chain(prompts);
    texts.into_iter().find_map(|text| {
        let shown = roles.iter().find(|role| shows(script, text, role));
        shown.map(|role| (*role).clone())
    })
}

fn shows(script: &Script, text: &str, role: &str) -> bool {
    let mark = script.mark(role);
    match script.roles.contains_key(role) {
        true => text.contains(&mark),
        // A whole line, so that `Role: tester` is not `Role: tester of locks`.
        false => text.lines().any(|line| line.trim() == mark),
    }
}
