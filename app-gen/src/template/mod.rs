//! The provider `template`: real React, Vite and Express applications whose code is always the same. The
//! words of the description choose one of a catalogue; its name, description, colour and sample data come
//! from the job. It needs no key and no network.

mod catalogue;
mod choice;
mod name;
mod words;

use anyhow::{Context as _, Result};
use app_gen_contract::JobSpec;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::template::catalogue::{Application as Entry, CATALOGUE, COMMON};
use crate::template::choice::{Choice, choose};
use crate::template::name::{display_name, slug};
use crate::template::words::samples;
use crate::workshop::snapshot::{File, Snapshot};

/// The package's name in the files below, exchanged for the application's own.
const PLACEHOLDER_NAME: &str = "app-gen-template";

/// The application's `app.json`. The description is untrusted, so it goes into JSON only, never into
/// code, markup or file names; React and the API treat it as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AppInfo {
    name: String,
    slug: String,
    /// The folder of its code in the catalogue.
    template: &'static str,
    description: String,
    /// What its sample data is made of.
    words: Vec<String>,
    /// Hue of the page's colours, in degrees.
    hue: u16,
    generator: &'static str,
}

impl AppInfo {
    fn new(description: &str, entry: &Entry) -> Self {
        let name = display_name(description);
        let digest = Sha256::digest(description.as_bytes());
        Self {
            slug: slug(&name),
            name,
            template: entry.folder,
            description: description.to_owned(),
            words: samples(description),
            hue: u16::from_be_bytes([digest[0], digest[1]]) % 360,
            generator: "app-gen template",
        }
    }
}

/// An application, and what is said about it.
pub(crate) struct Application {
    /// Its name for people.
    pub(crate) name: String,
    pub(crate) files: Snapshot,
    /// How it came about.
    pub(crate) messages: [String; 2],
    /// One sentence for the job's last event.
    pub(crate) summary: String,
}

/// What would be made, as a question to a person.
///
/// # Errors
/// As for [`make`].
pub(crate) fn plan(spec: &JobSpec) -> Result<String> {
    let choice = choice(spec)?;
    let name = AppInfo::new(&spec.description, choice.application).name;
    Ok(format!(
        "May {name:?} be made from a template, without an AI model: {}?",
        choice.application.kind
    ))
}

/// The application of the catalogue that the job names, or the one that its description asks for.
fn choice(spec: &JobSpec) -> Result<Choice> {
    let Some(wanted) = &spec.template else {
        return Ok(choose(&spec.description));
    };
    let known = CATALOGUE.iter().find(|entry| entry.folder == wanted);
    let application = known.with_context(|| format!("there is no template {wanted:?}"))?;
    Ok(Choice {
        application,
        because: Vec::new(),
    })
}

/// Makes the application that the job names, or that its description asks for.
///
/// # Errors
/// There is no template of the name.
pub(crate) fn make(spec: &JobSpec) -> Result<Application> {
    let choice = choice(spec)?;
    let info = AppInfo::new(&spec.description, choice.application);
    let files = files(&info, choice.application)?.into_iter();
    let files = files.map(|(path, content)| {
        let file = File {
            is_executable: false,
            content: content.into_bytes(),
        };
        (path.to_owned(), file)
    });
    let making = format!(
        "making {:?} from this template, without an AI model",
        info.name
    );
    let summary = format!(
        "{} is ready: {} made from a template, without an AI model",
        info.name, choice.application.kind
    );
    Ok(Application {
        files: Snapshot {
            files: files.collect(),
        },
        messages: [why(spec, &choice), making],
        summary,
        name: info.name,
    })
}

/// Which template it is, and the words that chose it.
fn why(spec: &JobSpec, choice: &Choice) -> String {
    let kind = choice.application.kind;
    if spec.template.is_some() {
        return format!("the template is {kind}, because it was chosen");
    }
    if choice.because.is_empty() {
        return format!("the template is {kind}, because the description asks for no other one");
    }
    format!(
        "the template is {kind}, because of {} in the description",
        choice
            .because
            .iter()
            .map(|term| format!("{term:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// All files of the application, `app.json` first.
fn files(info: &AppInfo, entry: &Entry) -> Result<Vec<(&'static str, String)>> {
    let mut app_json = serde_json::to_string_pretty(info)?;
    app_json.push('\n');
    let mut files = vec![("app.json", app_json)];
    let mut own_readme = "";
    for (path, content) in entry.files.iter().copied().flatten() {
        match *path {
            "README.md" => own_readme = content,
            path => files.push((path, (*content).to_owned())),
        }
    }
    let (about, api) = own_readme
        .split_once("\n## API\n\n")
        .unwrap_or((own_readme, ""));
    for (path, content) in COMMON {
        files.push(match *path {
            "README.md" => {
                let readme = content
                    .replace("{{about}}\n", about)
                    .replace("{{api}}\n", api);
                ("README.md", readme)
            }
            // Under its own name it would hide files of this repository from git.
            "gitignore" => (".gitignore", (*content).to_owned()),
            path @ ("package.json" | "package-lock.json") => {
                (path, content.replace(PLACEHOLDER_NAME, &info.slug))
            }
            path => (path, (*content).to_owned()),
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// What a description becomes.
    fn made(description: &str) -> (AppInfo, Vec<(&'static str, String)>) {
        let entry = choose(description).application;
        let info = AppInfo::new(description, entry);
        let files = files(&info, entry).unwrap();
        (info, files)
    }

    #[test]
    fn the_name_reaches_package_and_lock_and_nothing_else() {
        let (_, files) = made("Build a list of books that I have read");
        for (path, content) in &files {
            assert!(!content.contains(PLACEHOLDER_NAME), "{path}");
            assert!(
                !content.contains("{{about}}") && !content.contains("{{api}}"),
                "{path}"
            );
        }
        let json = |wanted: &str| -> Value {
            let (_, content) = files.iter().find(|(path, _)| *path == wanted).unwrap();
            serde_json::from_str(content).unwrap()
        };
        assert_eq!(json("package.json")["name"], "list-of-books-app");
        assert_eq!(json("package-lock.json")["name"], "list-of-books-app");
        assert_eq!(
            json("package-lock.json")["packages"][""]["name"],
            "list-of-books-app"
        );
        assert_eq!(
            json("app.json")["description"],
            "Build a list of books that I have read"
        );
    }

    #[test]
    fn the_lock_names_no_registry_and_checks_every_package() {
        let (_, lock) = COMMON
            .iter()
            .find(|(path, _)| *path == "package-lock.json")
            .unwrap();
        let lock: Value = serde_json::from_str(lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 50);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package.get("resolved").is_none(), "{name}");
            assert!(
                package["integrity"]
                    .as_str()
                    .unwrap()
                    .starts_with("sha512-"),
                "{name}"
            );
        }
    }

    #[test]
    fn any_description_is_only_text() {
        for description in [
            "\"quotes\" and 'more' `ticks` \\ ${x} {{y}} <%= z %>",
            "</script><script>alert(1)</script><!-- -->",
            "two\nlines\r\n\ttabs \u{1} \u{2028}",
            "🚀🚀🚀",
            "قائمة المشتريات \u{202e}drow",
            &"x".repeat(4000),
            "../../etc/passwd",
        ] {
            let (info, files) = made(description);
            let read: Value = serde_json::from_str(&files[0].1).unwrap();
            assert_eq!(read["description"], description);
            let others = files[1..]
                .iter()
                .map(|(path, content)| content.replace(&info.slug, path))
                .collect::<String>();
            assert!(!others.contains(description));
        }
    }

    #[test]
    fn every_application_explains_itself_and_says_that_no_model_was_asked() {
        for entry in &CATALOGUE {
            let files = files(&AppInfo::new("x", entry), entry).unwrap();
            let content = |wanted: &str| {
                let found: Vec<_> = files.iter().filter(|(path, _)| *path == wanted).collect();
                assert_eq!(found.len(), 1, "{}: {wanted}", entry.folder);
                &*found[0].1
            };
            let readme = content("README.md");
            assert!(readme.contains("\n\nIt "), "{readme}");
            assert!(readme.contains("\n\n| request"), "{readme}");
            assert!(!readme.contains("\n\n\n"), "{readme}");
            for told in [readme, content("src/parts.jsx")] {
                assert!(told.contains("No AI model was asked."), "{told}");
            }
            assert_eq!(content(".gitignore"), "node_modules/\ndist/\ndata/\n");
            let info: Value = serde_json::from_str(content("app.json")).unwrap();
            assert_eq!(info["template"], entry.folder);
        }
    }

    #[test]
    fn every_application_is_built_and_tested_on_github_by_the_actions_that_we_use() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
        let ours = std::fs::read_to_string(root.join("validate.yml")).unwrap();
        let (_, files) = made("A list of books");
        let workflow = files
            .iter()
            .find(|(path, _)| *path == ".github/workflows/build.yml");
        let (_, workflow) = workflow.unwrap();
        for step in ["npm ci", "npm run build --if-present", "npm test"] {
            assert!(workflow.contains(&format!("- run: {step}\n")), "{workflow}");
        }
        let actions: Vec<&str> = workflow
            .lines()
            .filter(|line| line.contains("uses:"))
            .collect();
        assert_eq!(actions.len(), 2, "{workflow}");
        for action in actions {
            assert!(ours.contains(action), "{action} is not the one of our own");
        }
    }

    #[test]
    fn the_contract_names_the_catalogue() {
        let listed = app_gen_contract::BUILT_IN_TEMPLATES.iter();
        let listed: Vec<_> = listed.map(|template| template.name).collect();
        let made: Vec<_> = CATALOGUE.iter().map(|entry| entry.folder).collect();
        assert_eq!(listed, made);
        for (template, entry) in app_gen_contract::BUILT_IN_TEMPLATES.iter().zip(&CATALOGUE) {
            let title = template.title.to_lowercase();
            assert!(entry.kind.contains(&title), "{title}: {}", entry.kind);
        }
    }

    #[test]
    fn a_template_that_is_named_is_taken() {
        let mut spec = JobSpec::new("j", "a list of books", "template", "file:///out").unwrap();
        for entry in &CATALOGUE {
            spec.template = Some(entry.folder.to_owned());
            let made = make(&spec).unwrap();
            assert_eq!(
                made.messages[0],
                format!("the template is {}, because it was chosen", entry.kind)
            );
            let info: Value = serde_json::from_str(made.files.text("app.json").unwrap()).unwrap();
            assert_eq!(info["template"], entry.folder);
        }
        spec.template = Some("common".to_owned());
        let error = make(&spec).err().unwrap().to_string();
        assert_eq!(error, "there is no template \"common\"");
    }

    #[test]
    fn the_log_says_why() {
        let why = |choice: &Choice| {
            let spec = JobSpec::new("j", "x", "template", "file:///out").unwrap();
            why(&spec, choice)
        };
        assert_eq!(
            why(&choose("A board for cards")),
            "the template is a board, because of \"board\", \"card\" in the description"
        );
        assert_eq!(
            why(&choose("???")),
            "the template is a list, because the description asks for no other one"
        );
    }
}
