//! Templates that come with the generator, so that the orchestrator can list them. Their files are the
//! generator's own, and a test of it compares its catalogue with this list.

/// A template that comes with the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltInTemplate {
    /// What a job names it by: `[A-Za-z0-9_-]{1,32}`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What its application does, in one sentence for people.
    pub description: &'static str,
}

/// All of them, in the order in which people see them.
pub static BUILT_IN_TEMPLATES: [BuiltInTemplate; 6] = [
    BuiltInTemplate {
        name: "list",
        title: "List",
        description: "Items to add, change, tick off and delete.",
    },
    BuiltInTemplate {
        name: "board",
        title: "Board",
        description: "Cards in three columns, to be moved with the mouse or with the keyboard.",
    },
    BuiltInTemplate {
        name: "booking",
        title: "Booking calendar",
        description: "Hours of days to book; each hour can be booked once.",
    },
    BuiltInTemplate {
        name: "poll",
        title: "Poll",
        description: "Questions with answers to choose from, and what was chosen.",
    },
    BuiltInTemplate {
        name: "inventory",
        title: "Inventory",
        description: "Things with their quantities, a search, and what has to be bought.",
    },
    BuiltInTemplate {
        name: "notes",
        title: "Notebook",
        description: "Notes with tags, to be searched and filtered.",
    },
];

impl BuiltInTemplate {
    /// The template of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        BUILT_IN_TEMPLATES
            .iter()
            .find(|template| template.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_by_their_names() {
        for template in &BUILT_IN_TEMPLATES {
            assert_eq!(BuiltInTemplate::named(template.name), Some(template));
        }
        assert_eq!(BuiltInTemplate::named("List"), None);
    }
}
