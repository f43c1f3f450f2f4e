//! Words and empty bodies that stand where code should: what agents write when they stop before the end.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::checks::checked::{Found, pattern};
use crate::checks::source::{Language, Source, line_of};
use crate::checks::tests_kept::is_test;
use crate::workshop::snapshot::Snapshot;

/// Folders with what was made of sources: it holds code of packages.
const MADE: [&str; 7] = [
    "dist", "build", "out", "coverage", ".next", ".vite", "vendor",
];
/// More say nothing new.
const MAX_FAULTS: usize = 20;
/// Characters of a line that is quoted.
const QUOTED_CHARACTERS: usize = 80;

pub(crate) fn check(snapshot: &Snapshot) -> Found {
    let mut faults = Vec::new();
    for (path, text) in snapshot.texts() {
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        let is_made = folders.split('/').any(|folder| MADE.contains(&folder));
        let Some(language) = Language::of(path).filter(|_| !is_made && !path.contains(".min."))
        else {
            continue;
        };
        let source = Source::read(text, language);
        for (line, what) in found(&source, is_test(path)) {
            let quoted = text.lines().nth(line - 1).unwrap_or_default().trim();
            let quoted: String = quoted.chars().take(QUOTED_CHARACTERS).collect();
            faults.push(format!("{path}:{line} {what}: {quoted}"));
        }
    }
    let surplus = faults.len().saturating_sub(MAX_FAULTS);
    if surplus > 0 {
        faults.truncate(MAX_FAULTS);
        faults.push(format!("and {surplus} more"));
    }
    Found::of(&faults)
}

/// What a line of a comment says in place of code.
static COMMENTS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let things = "(?:code|file|function|component|implementation|styles?|logic|class|methods?|handlers?|routes?|imports?|tests?|body|content|markup)";
    let of_rest = format!(
        r"(?i)^(?:\.\.\.|…)?\s*(?:the )?rest of (?:the |your |this |our )?(?:\w+ )?{things}(?: (?:is|are))?(?: (?:unchanged|omitted|here|as before|(?:remains?|stays?)(?: the same| unchanged)?|goes here))*\s*(?:\.\.\.|…|\.)?$"
    );
    let of_existing = format!(
        r"(?i)^(?:\.\.\.|…)?\s*(?:keep )?(?:the )?(?:existing|previous|other|remaining|unchanged) {things}(?: (?:unchanged|omitted|here|as before|(?:remains?|stays?)(?: the same| unchanged)?|goes here))+\s*(?:\.\.\.|…|\.)?$"
    );
    let after_dots = format!(
        r"(?i)^(?:\.\.\.|…)\s*(?:existing|previous|other|remaining|more|same|your) (?:\w+ )?{things}\b"
    );
    let of_yours = format!(
        r"(?i)^(?:\.\.\.|…)?\s*(?:add |put |insert |write )?(?:your|the|actual|real) (?:\w+ )?{things} (?:goes )?here\s*(?:\.\.\.|…|\.)?$"
    );
    [
        ("leaves out code", of_rest.as_str()),
        ("leaves out code", of_existing.as_str()),
        ("leaves out code", after_dots.as_str()),
        ("leaves out code", of_yours.as_str()),
        ("leaves out code", r"(?i)\b(?:omitted|truncated|abbreviated) for brevity\b"),
        ("is still to be done", r"(?i)^(?:TODO|FIXME)\b[^a-z]{0,3}(?:\([^)]*\)[^a-z]{0,3})?(?:please )?(?:implement|fill in|finish|complete|write|add (?:the |your |actual |real )*(?:logic|implementation|code|handler|validation))\b"),
        ("is still to be done", r"(?i)^(?:not (?:yet )?implemented(?: yet)?|to be implemented|implement me|(?:this is )?(?:a |just a )?(?:stub|placeholder)(?: implementation)?)\s*\.?$"),
    ]
    .map(|(what, text)| (what, pattern(text)))
    .into()
});

/// Code that does nothing, in place of code that does something.
static CODE: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let arrow = r"(?:async\s*)?(?:\([^(){}]*\)|\w+)\s*=>\s*\{\s*\}";
    let function = r"(?:async\s+)?function\s*\w*\s*\([^(){}]*\)\s*\{\s*\}";
    let nothing = format!("(?:{arrow}|{function})");
    let on_element = format!(r"\bon(?:Click|Submit|Change|Input)=\{{\s*{nothing}\s*\}}");
    let on_event = format!(
        r#"\.addEventListener\(\s*['"`](?:click|submit|change|input)['"`]\s*,\s*{nothing}\s*\)"#
    );
    let on_route =
        format!(r#"\.(?:get|post|put|patch|delete)\(\s*['"`]/[^'"`\n]*['"`]\s*,\s*{nothing}\s*\)"#);
    [
        (
            "throws where it should do something",
            r#"(?i)throw (?:new )?\w*Error\(\s*['"`](?:(?:\w+ )?(?:is )?not (?:yet )?implemented|unimplemented|to ?do\b|implement me)"#,
        ),
        ("handles something by doing nothing", on_element.as_str()),
        ("handles something by doing nothing", on_event.as_str()),
        ("handles something by doing nothing", on_route.as_str()),
    ]
    .map(|(what, text)| (what, pattern(text)))
    .into()
});

/// A test without a body, or with one that compares constants only.
static TESTS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let name = r#"(?:'[^'\n]*'|"[^"\n]*"|`[^`]*`)"#;
    let begins = format!(r"(?:^|[^\w.$])(?:test|it)(?:\.only)?\s*\(\s*{name}\s*,\s*(?:async\s*)?");
    let head = r"(?:\([^(){}]*\)\s*=>|\w+\s*=>|function\s*\w*\s*\([^(){}]*\))\s*";
    let constant = r"(?:true|1)";
    let same = format!(
        r"(?:expect\(\s*{constant}\s*\)\.(?:toBe|toEqual|toStrictEqual)\(\s*{constant}\s*\)|expect\(\s*true\s*\)\.toBeTruthy\(\s*\)|assert(?:\.ok)?\(\s*{constant}\s*\)|assert\.(?:equal|strictEqual)\(\s*{constant}\s*,\s*{constant}\s*\))\s*;?"
    );
    let empty = format!(r"{begins}{head}\{{\s*\}}");
    let constants = format!(r"{begins}{head}(?:\{{\s*)?{same}\s*\}}?\s*\)");
    [
        ("is a test that tests nothing", empty.as_str()),
        ("is a test that tests nothing", constants.as_str()),
    ]
    .map(|(what, text)| (what, pattern(text)))
    .into()
});

/// Lines and what is wrong with them.
fn found(source: &Source, is_test: bool) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (line, text) in &source.comments {
        let mut patterns = COMMENTS.iter();
        if let Some((what, _)) = patterns.find(|(_, pattern)| pattern.is_match(text.as_bytes())) {
            found.push((*line, *what));
        }
    }
    // Tests may well put a function that does nothing in the place of a handler.
    let patterns = if is_test { TESTS.iter() } else { CODE.iter() };
    for (what, pattern) in patterns {
        for matched in pattern.find_iter(source.code.as_bytes()) {
            // A match may begin with the end of the line before.
            let start = matched.start();
            let blank = matched
                .as_bytes()
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace());
            found.push((line_of(&source.code, start + blank.count()), *what));
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::tests::snapshot;

    fn faults(path: &str, text: &str) -> Vec<String> {
        match check(&snapshot(&[(path, text)])) {
            Found::Bad(text) => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn what_agents_leave_out_is_found() {
        for text in [
            "// ... rest of the code unchanged",
            "// rest of the code remains the same",
            "/* …rest of component */",
            "{/* ... existing code ... */}",
            "// ... other routes",
            "// ... your existing code here",
            "// keep existing code unchanged",
            "// Your code here",
            "// Add your logic here",
            "// existing styles remain unchanged",
            "// omitted for brevity",
            "// TODO: implement",
            "// TODO implement this",
            "# x\n// FIXME: add validation",
            "// TODO(me): add actual logic",
            "// placeholder implementation",
            "// Not implemented yet.",
            "throw new Error('not implemented')",
            "throw new HttpError(\"Method not implemented\")",
            "throw Error('TODO')",
            "<button onClick={() => {}}>",
            "<form onSubmit={async (event) => { }}>",
            "button.addEventListener('click', () => {})",
            "app.post('/api/x', async (c) => {})",
            "app.get('/x', function (request, response) {\n})",
            "button.addEventListener('click', () => {\n  // later\n})",
        ] {
            assert_eq!(faults("src/a.jsx", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_people_write_is_not() {
        for text in [
            "// The rest of the file is read when somebody asks for it.",
            "// Keep existing rows in place.",
            "// Other routes are behind the login.",
            "// TODO: measure whether a cache pays",
            "// The implementation is in store.js.",
            "// One write at a time, each whole: the rest of them wait.",
            "const placeholder = 'Your code here'",
            "<input placeholder=\"rest of the code\" />",
            "const noop = () => {}",
            "promise.catch(() => {})",
            "window.addEventListener('unload', () => {})",
            "throw new Error('the method is not allowed')",
            "<button onClick={() => { setOpen(true) }}>",
            "app.get('/x', (c) => { return c.text('') })",
            "list.get('/x')",
        ] {
            assert!(
                faults("src/a.jsx", text).is_empty(),
                "{text}: {:?}",
                faults("src/a.jsx", text)
            );
        }
    }

    #[test]
    fn tests_that_test_nothing_are_found() {
        for text in [
            "test('works', () => {})",
            "import { test } from 'node:test'\n\n  it(\"works\", async () => {\n  // nothing\n})",
            "test('works', function () {})",
            "it('works', () => { expect(true).toBe(true); })",
            "test('works', () => assert.ok(true))",
            "test('works', (t) => {\n  assert.equal(1, 1)\n})",
        ] {
            let faults = faults("src/a.test.js", text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(
                faults[0].contains("is a test that tests nothing"),
                "{faults:?}"
            );
        }
        for text in [
            "test('works', () => { expect(add(1)).toBe(true) })",
            "test('clicks', () => { render(<A onClick={() => {}} />); expect(a).toBe(1) })",
            "/x/.test('works', () => {})",
        ] {
            assert!(faults("src/a.test.js", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_fault_names_its_line_and_quotes_it() {
        let script = include_str!("../../scripted-model/scripts/placeholders.toml");
        let (_, text) = script.split_once("content = \"\"\"\n").unwrap();
        let (text, _) = text.split_once("\"\"\"").unwrap();
        assert_eq!(
            faults("server/store.js", text),
            [
                "server/store.js:4 leaves out code: // ... rest of the code unchanged",
                "server/store.js:8 is still to be done: // TODO: implement",
                "server/store.js:9 throws where it should do something: throw new Error('not implemented')",
            ]
        );
    }

    #[test]
    fn only_sources_are_looked_at() {
        let text = "// TODO: implement";
        for path in [
            "README.md",
            "dist/a.js",
            "web/build/a.js",
            "lib/a.min.js",
            "a.txt",
        ] {
            assert!(faults(path, text).is_empty(), "{path}");
        }
        assert_eq!(faults("build.js", text).len(), 1);
        let many = "// TODO: implement\n".repeat(30);
        let faults = faults("a.js", &many);
        assert_eq!((faults.len(), faults[20].as_str()), (21, "and 10 more"));
    }

    #[test]
    fn the_applications_of_this_repository_are_good() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["scripted-model/scripts/plant-diary", "src/template/files"] {
            let folder = manifest.join(folder);
            let files = walkdir::WalkDir::new(&folder)
                .into_iter()
                .map(Result::unwrap);
            let files: Vec<(String, String)> = files
                .filter(|entry| entry.file_type().is_file())
                .filter(|entry| {
                    !entry
                        .path()
                        .components()
                        .any(|part| part.as_os_str() == "node_modules")
                })
                .map(|entry| {
                    let path = entry
                        .path()
                        .strip_prefix(&folder)
                        .unwrap()
                        .display()
                        .to_string();
                    (path, std::fs::read_to_string(entry.path()).unwrap())
                })
                .collect();
            let files: Vec<(&str, &str)> = files
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str()))
                .collect();
            assert!(files.len() > 5);
            assert_eq!(check(&snapshot(&files)), Found::Good(None));
        }
    }
}
