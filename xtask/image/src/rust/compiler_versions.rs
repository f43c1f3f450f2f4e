//! The versions of compilers and linkers. Each is asked once, and its answer is kept for as long as it
//! cannot have changed.
//!
//! To ask takes 2 ms for a compiler driver and 40 ms through a proxy of rustup. An answer is kept with
//! everything that it depends on: where the program is, the identity of its files, and for rustup
//! everything that decides which toolchain is used. If we do not know what the answer of a program
//! depends on (a wrapper script, ccache), it is asked every time.

use crate::rust::environment::Surroundings;
use crate::rust::programs::find;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::cmd::Cmd;
use xtask_tree::entry::escape;
use xtask_tree::identity::{Identity, Timestamp};

/// The names of the linkers of binutils, which a prefix for the target can precede.
const LINKERS: [&str; 3] = ["ld", "ld.bfd", "ld.gold"];

/// A program to be asked for its version.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// The name of the answer.
    pub name: String,
    /// The program as on a command line. A relative path starts at the checkout.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: &'static [&'static str],
}

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Basis {
    arguments: Vec<String>,
    variables: BTreeMap<String, Option<String>>,
    files: BTreeMap<String, Option<Identity>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    basis: Basis,
    answer: String,
}

/// The answers by name. Those in the file `cache` are used if they still hold.
///
/// # Errors
/// A program is missing or fails.
pub(super) fn ask(
    surroundings: &Surroundings,
    cache: &Path,
    probes: &[Probe],
) -> anyhow::Result<BTreeMap<String, String>> {
    let before: BTreeMap<String, Known> = read_checked(cache).unwrap_or_default();
    // They are asked side by side, because most of the time is the start of a process.
    let asked: Vec<anyhow::Result<(String, Option<Basis>)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = probes
            .iter()
            .map(|probe| {
                let known = before.get(&probe.name);
                let basis = basis(surroundings, probe);
                match known {
                    Some(known) if Some(&known.basis) == basis.as_ref() => Ok(known),
                    _ => Err(scope.spawn(|| ask_one(surroundings, probe))),
                }
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread {
                Ok(known) => Ok((known.answer.clone(), Some(known.basis.clone()))),
                Err(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a probe panicked"))),
            })
            .collect()
    });
    let mut answers = BTreeMap::new();
    let mut after = BTreeMap::new();
    for (probe, asked) in probes.iter().zip(asked) {
        let (answer, basis) = asked?;
        if let Some(basis) = basis {
            let answer = answer.clone();
            after.insert(probe.name.clone(), Known { basis, answer });
        }
        answers.insert(probe.name.clone(), answer);
    }
    if after != before {
        // If it cannot be written, the programs are asked again next time.
        let _ = write_checked(cache, &after);
    }
    Ok(answers)
}

/// The answer, and what it depends on, if that is known and did not change recently.
fn ask_one(surroundings: &Surroundings, probe: &Probe) -> anyhow::Result<(String, Option<Basis>)> {
    let started = Timestamp::now();
    let before = basis(surroundings, probe);
    let command = Cmd::new(&probe.program)
        .args(probe.arguments)
        .folder(&surroundings.root)
        .only_env(&[])
        // The version must not depend on the language of the user.
        .env("LC_ALL", "C")
        .timeout(Duration::from_secs(20));
    let answer = surroundings
        .variables
        .iter()
        .fold(command, |command, (name, value)| command.env(name, value))
        .read()?;
    // A key must never be computed from an answer that is missing.
    anyhow::ensure!(
        !answer.is_empty(),
        "{} does not print its version",
        probe.name
    );
    let settled = |basis: &Basis| {
        let mut files = basis.files.values().flatten();
        files.all(|file| file.changed < started)
    };
    let basis = basis(surroundings, probe)
        .filter(|after| before.as_ref() == Some(after))
        .filter(settled)
        .filter(|_| find(surroundings, &probe.program).is_some_and(|path| is_machine_code(&path)));
    Ok((answer, basis))
}

fn basis(surroundings: &Surroundings, probe: &Probe) -> Option<Basis> {
    let program = find(surroundings, &probe.program)?;
    let mut files = vec![program.clone()];
    let mut variables = BTreeMap::new();
    let name = program.file_name()?.to_str()?;
    let folder = program.parent()?;
    if folder.join("rustup").is_file() {
        files.extend(rustup_files(surroundings)?);
        for name in ["HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            let value = surroundings
                .variable(name)
                .map(|value| escape(value.as_bytes()));
            variables.insert(name.to_owned(), value);
        }
    } else if ["rustc", "cargo"].contains(&name) {
        files.extend(toolchain_files(folder.parent()?)?);
    } else if name == "getconf" {
        files.push(own_libc()?);
    } else if !name.contains("gcc") && !LINKERS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    Some(Basis {
        arguments: probe.arguments.iter().copied().map(str::to_owned).collect(),
        variables,
        files: files
            .into_iter()
            .map(|path| {
                let identity = Identity::of(&path).ok();
                (escape(path.as_os_str().as_bytes()), identity)
            })
            .collect(),
    })
}

/// The files that decide which toolchain rustup uses: its settings, which include overrides for
/// folders, the files `rust-toolchain` of the checkout and above, and every installed toolchain, since
/// each can be the one.
fn rustup_files(surroundings: &Surroundings) -> Option<Vec<PathBuf>> {
    let home = match surroundings.variable("RUSTUP_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(surroundings.variable("HOME")?).join(".rustup"),
    };
    let mut files = vec![
        home.join("settings.toml"),
        PathBuf::from("/etc/rustup/settings.toml"),
    ];
    for folder in surroundings.root.ancestors() {
        for name in ["rust-toolchain", "rust-toolchain.toml"] {
            let path = folder.join(name);
            // The file may name a toolchain in another place.
            if std::fs::read(&path).is_ok_and(|text| text.windows(4).any(|word| word == b"path")) {
                return None;
            }
            files.push(path);
        }
    }
    for item in std::fs::read_dir(home.join("toolchains")).ok()? {
        files.extend(toolchain_files(&item.ok()?.path()).unwrap_or_default());
    }
    Some(files)
}

/// The files of a toolchain that decide its version, or nothing if it has another layout.
fn toolchain_files(toolchain: &Path) -> Option<Vec<PathBuf>> {
    let mut files = vec![toolchain.join("bin/rustc"), toolchain.join("bin/cargo")];
    let count_before = files.len();
    for item in std::fs::read_dir(toolchain.join("lib")).ok()? {
        let item = item.ok()?;
        if item.file_name().as_bytes().starts_with(b"librustc_driver") {
            files.push(item.path());
        }
    }
    (files.len() > count_before).then_some(files)
}

/// The C library that this process uses, which `getconf` uses, too.
fn own_libc() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.ends_with("/libc.so.6"))?;
    Some(PathBuf::from(path))
}

/// Whether a program is not a script, which could start any program.
fn is_machine_code(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Selects a toolchain in rustup's order, minds nothing else, and counts its calls.
    const PROXY: &str = r#"
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        static char text[256];
        static int take(const char *folder, const char *file) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s", folder, file);
            FILE *input = fopen(path, "r");
            if (!input) return 0;
            memset(text, 0, sizeof text);
            fread(text, 1, sizeof text - 1, input);
            fclose(input);
            text[strcspn(text, "\n")] = 0;
            return 1;
        }
        int main(void) {
            const char *home = getenv("RUSTUP_HOME"), *variable = getenv("RUSTUP_TOOLCHAIN");
            FILE *calls = fopen("calls", "a");
            fputs("x", calls);
            fclose(calls);
            if (variable) strcpy(text, variable);
            else if (!take(".", "rust-toolchain") && !take("..", "rust-toolchain.toml"))
                take(home, "settings.toml");
            char folder[512], file[300];
            snprintf(folder, sizeof folder, "%s/toolchains", home);
            snprintf(file, sizeof file, "%s/bin/rustc", text);
            take(folder, file);
            puts(text);
        }
    "#;

    struct Machine {
        folder: tempfile::TempDir,
        surroundings: Surroundings,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = fs::canonicalize(folder.path()).unwrap();
            let path = ["first", "second"].map(|name| place.join(name));
            let machine = Self {
                surroundings: Surroundings {
                    root: place.join("above/checkout"),
                    variables: BTreeMap::from([
                        ("PATH", std::env::join_paths(&path).unwrap()),
                        ("RUSTUP_HOME", place.join("home").into_os_string()),
                    ]),
                },
                folder,
            };
            for name in ["first", "second", "above/checkout"] {
                fs::create_dir_all(machine.path(name)).unwrap();
            }
            machine
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn compile(&self, name: &str, source: &str) {
            self.write("source.c", source);
            Cmd::new("cc")
                .args(["-w", "-o"])
                .args([self.path(name), self.path("source.c")])
                .read()
                .unwrap();
        }

        fn ask(&self, program: &str) -> String {
            let probe = Probe {
                name: "answer".to_owned(),
                program: program.into(),
                arguments: &["--version"],
            };
            ask(&self.surroundings, &self.path("cache"), &[probe]).unwrap()["answer"].clone()
        }

        fn shell(&self, line: &str) {
            let folder = self.folder.path();
            Cmd::new("sh")
                .args(["-c", line])
                .folder(folder)
                .read()
                .unwrap();
        }

        /// Until the clock is past the time of every file that was written. Kernels since 6.13
        /// may stamp files by a finer clock, and so with a later time than this one tells.
        fn tick(&self) {
            self.write("tick", "");
            let written = Identity::of(&self.path("tick")).unwrap().changed;
            while Timestamp::now() <= written {
                std::thread::sleep(Duration::from_millis(1));
            }
        }

        /// How often the proxy was started.
        fn calls(&self) -> usize {
            fs::read(self.path("above/checkout/calls")).map_or(0, |calls| calls.len())
        }
    }

    #[test]
    fn an_answer_is_kept_until_the_selected_toolchain_can_be_another() {
        let mut machine = Machine::new();
        machine.compile("first/rustup", PROXY);
        symlink("rustup", machine.path("first/rustc")).unwrap();
        for name in ["one", "two", "three", "four"] {
            machine.write(&format!("home/toolchains/{name}/bin/rustc"), name);
            machine.write(
                &format!("home/toolchains/{name}/lib/librustc_driver.so"),
                "",
            );
        }
        machine.write("home/settings.toml", "one");
        machine.tick();
        let mut calls = 0;
        let mut expect = |machine: &Machine, answer: &str| {
            assert_eq!(machine.ask("rustc"), answer);
            assert!(machine.calls() > calls, "not asked for {answer}");
            machine.tick();
            // Asked until what it follows from is older than the question, then no more.
            machine.ask("rustc");
            calls = machine.calls();
            assert_eq!(machine.ask("rustc"), answer);
            assert_eq!(machine.calls(), calls, "asked again for {answer}");
        };
        expect(&machine, "one");
        machine.write("home/settings.toml", "two");
        expect(&machine, "two");
        machine.write("above/rust-toolchain.toml", "three");
        expect(&machine, "three");
        machine.write("above/checkout/rust-toolchain", "four");
        expect(&machine, "four");
        machine
            .surroundings
            .variables
            .insert("RUSTUP_TOOLCHAIN", "one".into());
        expect(&machine, "one");
        // An update of the toolchain; a rename over it; a link to it that turns.
        machine.write("home/toolchains/one/bin/rustc", "one and a half");
        expect(&machine, "one and a half");
        machine.write("new", "one again");
        fs::rename(
            machine.path("new"),
            machine.path("home/toolchains/one/bin/rustc"),
        )
        .unwrap();
        expect(&machine, "one again");
        let one = machine.path("home/toolchains/one");
        fs::rename(&one, machine.path("elsewhere")).unwrap();
        symlink(machine.path("elsewhere"), &one).unwrap();
        machine.ask("rustc");
        calls_settle(&machine);
        fs::remove_file(&one).unwrap();
        symlink(machine.path("home/toolchains/two"), &one).unwrap();
        assert_eq!(machine.ask("rustc"), "two");
        // A file that names a toolchain by its path is beyond what we watch.
        machine.write("above/rust-toolchain.toml", "path = \"two\"");
        machine.tick();
        let before = machine.calls();
        machine.ask("rustc");
        machine.ask("rustc");
        assert_eq!(machine.calls(), before + 2);
    }

    fn calls_settle(machine: &Machine) {
        machine.tick();
        machine.ask("rustc");
        let calls = machine.calls();
        machine.ask("rustc");
        assert_eq!(machine.calls(), calls);
    }

    #[test]
    fn a_program_that_is_swapped_is_asked() {
        let machine = Machine::new();
        let say = |word: &str| format!("int main() {{ puts(\"{word}\"); }}");
        machine.compile("second/some-gcc", &say("one"));
        symlink("some-gcc", machine.path("second/cc")).unwrap();
        machine.tick();
        assert_eq!(machine.ask("cc"), "one");
        // Same size and time, and renamed over it. By other processes: a file that this one
        // has open for writing cannot be run, nor one that a fork of it has.
        machine.compile("other-gcc", &say("two"));
        machine.shell("touch -r second/some-gcc other-gcc && mv other-gcc second/some-gcc");
        assert_eq!(machine.ask("cc"), "two");
        machine.tick();
        assert_eq!(machine.ask("cc"), "two");
        // One that comes first on the search path, a script: never kept, for it may start anything.
        machine.shell(r"printf '#!/bin/sh\nread line < answer; echo $line\n' > first/cc");
        machine.shell("chmod +x first/cc");
        for answer in ["three", "four"] {
            machine.write("above/checkout/answer", answer);
            machine.tick();
            assert_eq!(machine.ask("cc"), answer);
        }
        machine.shell("rm first/cc");
        assert_eq!(machine.ask("cc"), "two");
    }

    #[test]
    fn a_damaged_cache_is_dropped() {
        let machine = Machine::new();
        machine.compile("first/gcc", "int main() { puts(\"right\"); }");
        machine.tick();
        machine.ask("gcc");
        let cache = machine.path("cache");
        let text = fs::read_to_string(&cache).unwrap();
        assert!(text.contains("right"));
        fs::write(&cache, text.replace("right", "wrong")).unwrap();
        assert_eq!(machine.ask("gcc"), "right");
    }
}
