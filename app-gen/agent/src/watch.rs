//! Whether an agent does the same again and again.

use app_gen_contract::Activity;
use std::collections::HashMap;

/// Tools that run at once. An agent that runs more loses the oldest, and only this watch notices.
const MAX_OPEN: usize = 1_000;

/// One use of a tool, with what came out.
type Use = (String, u64, u64);

/// Counts uses of tools.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    open: HashMap<String, (String, u64)>,
    last: Option<Use>,
    repeats: u32,
    uses: u32,
}

impl Watch {
    pub(crate) fn see(&mut self, activity: &Activity) {
        match activity {
            Activity::ToolStarted {
                id, name, input, ..
            } => {
                if self.open.len() >= MAX_OPEN {
                    self.open.clear();
                }
                let known = (name.clone(), input.digest());
                if self.open.insert(id.clone(), known).is_none() {
                    self.uses = self.uses.saturating_add(1);
                }
            }
            Activity::ToolEnded { id, result, .. } => {
                let Some((name, input)) = self.open.remove(id) else {
                    return;
                };
                let now = (name, input, result.digest());
                self.repeats = match self.last.as_ref() == Some(&now) {
                    true => self.repeats.saturating_add(1),
                    false => 1,
                };
                self.last = Some(now);
            }
            _ => {}
        }
    }

    /// How often in a row the newest tool was used in the same way with the same result.
    pub(crate) fn repeats(&self) -> u32 {
        self.repeats
    }

    /// How many tools were used.
    pub(crate) fn uses(&self) -> u32 {
        self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::Excerpt;

    fn play(watch: &mut Watch, id: usize, input: &str, result: &str) -> u32 {
        let id = id.to_string();
        watch.see(&Activity::ToolStarted {
            id: id.clone(),
            name: "Bash".to_owned(),
            input: Excerpt::new(input),
            helper_of: None,
        });
        watch.see(&Activity::ToolEnded {
            id,
            result: Excerpt::new(result),
            is_error: false,
        });
        watch.repeats()
    }

    #[test]
    fn only_what_is_the_same_in_all_its_parts_is_a_repetition() {
        let mut watch = Watch::default();
        // Longer than an excerpt, and different where an excerpt has nothing.
        let (long, other) = (
            format!("{}a{}", "x".repeat(5_000), "x".repeat(5_000)),
            format!("{}b{}", "x".repeat(5_000), "x".repeat(5_000)),
        );
        let uses = [
            ("ls", "a", 1),
            ("ls", "a", 2),
            ("ls", "b", 1),
            ("ls -l", "b", 1),
            ("ls -l", "b", 2),
            ("ls -l", "b", 3),
            ("cat", &long, 1),
            ("cat", &other, 1),
            ("cat", &other, 2),
        ];
        for (id, (input, result, repeats)) in uses.into_iter().enumerate() {
            assert_eq!(play(&mut watch, id, input, result), repeats, "{id}");
        }
        assert_eq!(watch.uses(), 9);
    }
}
