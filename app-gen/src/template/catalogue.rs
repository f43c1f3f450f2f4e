//! The applications that the provider `template` can make. An application is its own files, those that all
//! have in common, and the words that ask for it.

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("files/", $folder, "/", $path)))),+]
    };
}

/// Path in the application, content.
pub(super) type Files = &'static [(&'static str, &'static str)];

/// An entry of the catalogue.
#[derive(Debug)]
pub(super) struct Application {
    /// Its folder below `files`.
    pub(super) folder: &'static str,
    /// For people.
    pub(super) kind: &'static str,
    /// Those that no other application has, or not all of them.
    pub(super) files: &'static [Files],
    /// Words and phrases that ask for it, and how much each of them counts. 4 names it, 1 is a hint.
    pub(super) terms: &'static [(&'static str, u32)],
}

/// What every application has. Some of them are adapted when they are written.
pub(super) const COMMON: Files = files!("common":
    ".github/workflows/build.yml",
    "README.md",
    "gitignore",
    "index.html",
    "package-lock.json",
    "package.json",
    "public/icon.svg",
    "server/app.js",
    "server/app.test.js",
    "server/index.js",
    "server/refusal.js",
    "server/store.js",
    "server/store.test.js",
    "server/testing.js",
    "src/App.test.js",
    "src/api.js",
    "src/main.jsx",
    "src/parts.jsx",
    "src/styles.css",
    "src/useRecords.js",
    "vite.config.js",
);

/// The search in texts, for who searches.
const SEARCH: Files = files!("search": "src/search.js", "src/search.test.js");

/// Index of the application for descriptions that ask for no other.
pub(super) const LIST: usize = 0;

/// All applications.
pub(super) static CATALOGUE: [Application; 6] = [
    Application {
        folder: "list",
        kind: "a list",
        files: &[files!("list":
            "README.md",
            "server/routes.js",
            "server/routes.test.js",
            "server/sample.js",
            "src/App.jsx",
            "src/Item.jsx",
            "src/app.css",
        )],
        terms: &[
            ("bucket list", 3),
            ("check list", 4),
            ("checklist", 4),
            ("chore", 3),
            ("list", 2),
            ("packing list", 3),
            ("shopping list", 4),
            ("tick", 1),
            ("tick off", 2),
            ("to do", 3),
            ("to do list", 4),
            ("todo", 3),
            ("todo list", 4),
            ("wish list", 3),
            ("wishlist", 3),
        ],
    },
    Application {
        folder: "board",
        kind: "a board",
        files: &[files!("board":
            "README.md",
            "server/routes.js",
            "server/routes.test.js",
            "server/sample.js",
            "src/App.jsx",
            "src/CardDialog.jsx",
            "src/Column.jsx",
            "src/app.css",
            "src/columns.js",
        )],
        terms: &[
            ("agile", 2),
            ("backlog", 2),
            ("board", 4),
            ("bug tracker", 3),
            ("card", 1),
            ("column", 2),
            ("drag", 1),
            ("in progress", 2),
            ("issue tracker", 3),
            ("kanban", 4),
            ("pipeline", 3),
            ("project", 1),
            ("scrum", 3),
            ("sprint", 2),
            ("stage", 1),
            ("task", 1),
            ("ticket", 1),
            ("trello", 4),
            ("work in progress", 2),
            ("workflow", 2),
        ],
    },
    Application {
        folder: "booking",
        kind: "a booking calendar",
        files: &[files!("booking":
            "README.md",
            "server/routes.js",
            "server/routes.test.js",
            "server/sample.js",
            "src/App.jsx",
            "src/BookingDialog.jsx",
            "src/Month.jsx",
            "src/app.css",
            "src/calendar.js",
            "src/calendar.test.js",
        )],
        terms: &[
            ("appointment", 4),
            ("availability", 2),
            ("book a", 3),
            ("book an", 3),
            ("book the", 3),
            ("booking", 4),
            ("calendar", 3),
            ("can book", 3),
            ("meeting room", 2),
            ("opening hour", 2),
            ("rental", 1),
            ("reservation", 4),
            ("reserve", 3),
            ("roster", 3),
            ("rota", 3),
            ("salon", 1),
            ("schedule", 3),
            ("shift", 2),
            ("slot", 2),
            ("time slot", 3),
            ("timetable", 3),
            ("to book", 3),
        ],
    },
    Application {
        folder: "poll",
        kind: "a poll",
        files: &[files!("poll":
            "README.md",
            "server/routes.js",
            "server/routes.test.js",
            "server/sample.js",
            "src/App.jsx",
            "src/Poll.jsx",
            "src/PollDialog.jsx",
            "src/app.css",
            "src/ballot.js",
            "src/ballot.test.js",
        )],
        terms: &[
            ("ballot", 4),
            ("decide together", 2),
            ("election", 3),
            ("majority", 1),
            ("opinion", 2),
            ("poll", 4),
            ("questionnaire", 4),
            ("referendum", 4),
            ("survey", 4),
            ("vote", 4),
        ],
    },
    Application {
        folder: "inventory",
        kind: "an inventory with search",
        files: &[
            SEARCH,
            files!("inventory":
                "README.md",
                "server/routes.js",
                "server/routes.test.js",
                "server/sample.js",
                "src/App.jsx",
                "src/ItemDialog.jsx",
                "src/Stock.jsx",
                "src/app.css",
                "src/stock.js",
                "src/stock.test.js",
            ),
        ],
        terms: &[
            ("asset", 2),
            ("catalog", 2),
            ("catalogue", 2),
            ("cellar", 2),
            ("equipment", 2),
            ("freezer", 2),
            ("fridge", 2),
            ("in stock", 3),
            ("inventory", 4),
            ("low stock", 4),
            ("pantry", 3),
            ("quantity", 2),
            ("run out", 2),
            ("search", 1),
            ("serial number", 2),
            ("spare part", 3),
            ("stock", 3),
            ("stocktaking", 4),
            ("storage", 2),
            ("storeroom", 3),
            ("supply", 2),
            ("warehouse", 3),
        ],
    },
    Application {
        folder: "notes",
        kind: "a notebook with tags",
        files: &[
            SEARCH,
            files!("notes":
                "README.md",
                "server/routes.js",
                "server/routes.test.js",
                "server/sample.js",
                "src/App.jsx",
                "src/Note.jsx",
                "src/NoteDialog.jsx",
                "src/app.css",
                "src/find.js",
                "src/find.test.js",
            ),
        ],
        terms: &[
            ("article", 1),
            ("blog", 2),
            ("bookmark", 3),
            ("bulletin board", 4),
            ("diary", 4),
            ("idea", 1),
            ("journal", 4),
            ("knowledge base", 4),
            ("logbook", 3),
            ("memo", 3),
            ("message board", 4),
            ("note", 4),
            ("note taking", 4),
            ("notebook", 4),
            ("notice board", 4),
            ("pin board", 4),
            ("quote", 2),
            ("recipe", 3),
            ("snippet", 3),
            ("tag", 2),
            ("wiki", 4),
            ("zettelkasten", 4),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use walkdir::WalkDir;

    use super::*;

    #[test]
    fn every_file_of_the_catalogue_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/template/files");
        let on_disk: BTreeSet<String> = WalkDir::new(&root)
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
            .collect();
        let embedded: BTreeSet<String> = CATALOGUE
            .iter()
            .flat_map(|application| application.files)
            .chain([&COMMON])
            .flat_map(|files| files.iter())
            .map(|(_, content)| (*content).to_owned())
            .collect();
        assert_eq!(embedded, on_disk);
    }

    #[test]
    fn no_application_has_a_path_twice() {
        for application in &CATALOGUE {
            let mut paths = BTreeSet::new();
            for (path, _) in application.files.iter().copied().flatten().chain(COMMON) {
                // The README of an application becomes a part of the common one.
                assert!(
                    paths.insert(path) || *path == "README.md",
                    "{}: {path}",
                    application.folder
                );
            }
        }
        assert_eq!(CATALOGUE[LIST].folder, "list");
    }
}
