//! Changes of anything that a build can see, and of what it must not see. Each is small, and random
//! in what it does.

use super::installed::Installed;
use super::world::{WORDS, World};
use crate::surroundings::compiler;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Changes something, and says what.
pub(super) type Change = fn(&mut World) -> String;

/// Folders that a build script lists: of the checkout, and of a vendored package.
const DATA: [&str; 2] = ["server/data", "vendor/leaf/data"];

/// What a binary is compiled from, and by what.
pub(super) const OF_RUST: [Change; 17] = [
    |world| {
        let path = world.any(&[
            "server/src/main.rs",
            "shared/src/lib.rs",
            "vendor/leaf/src/lib.rs",
        ]);
        world.reword(path)
    },
    |world| {
        let path = world.any(&[
            "server/build.rs",
            "server/words.txt",
            "server/which.c",
            "server/left-out",
        ]);
        world.reword(path)
    },
    |world| {
        let folder = world.any(&DATA);
        file(world, folder)
    },
    |world| {
        let folder = world.any(&DATA);
        file(world, folder)
    },
    |world| {
        let place = world.any(&DATA);
        execute_bit(world, place)
    },
    |world| {
        let place = world.any(&DATA);
        link(world, place)
    },
    |world| {
        let place = world.any(&DATA);
        folder(world, place)
    },
    |world| {
        let [first, second] = ["server/words.txt", "server/which.c"];
        let how = [first, second].map(|path| world.reword(path));
        how.join(" and ")
    },
    |world| {
        world.cargo.leaf_patch ^= 1;
        cargo(world)
    },
    |world| {
        match world.numbers.below(3) {
            0 => world.cargo.server_patch ^= 1,
            1 => world.cargo.extra ^= true,
            _ => world.cargo.author = world.numbers.below(WORDS.len()),
        }
        cargo(world)
    },
    |world| {
        match world.numbers.below(3) {
            0 => world.cargo.opt_level ^= 1,
            1 => world.cargo.checks ^= true,
            _ => world.cargo.has_other ^= true,
        }
        cargo(world)
    },
    |world| {
        match world.numbers.below(2) {
            0 => world.cargo.asserts ^= true,
            _ => world.cargo.aliases ^= true,
        }
        cargo(world)
    },
    |world| {
        let place = world.numbers.below(2);
        world.cargo.environments[place] = world.numbers.below(3);
        cargo(world)
    },
    |world| {
        let which = world.numbers.below(3) + 2;
        world.program("cc", &format!("exec /usr/bin/cc -DWHICH={which} \"$@\""));
        format!("cc says which={which}")
    },
    |world| {
        let name = world.any(&["ar", "ld", "as"]);
        world.program(name, &format!("exec /usr/bin/{name} \"$@\""));
        format!("another {name}")
    },
    |world| {
        for name in ["ar", "ld", "as", "cc"] {
            let _ = fs::remove_file(world.outside(&format!("first/{name}")));
        }
        "the programs of the system".to_owned()
    },
    |world| world.reword("other/src/lib.rs"),
];

/// What a page is built from.
pub(super) const OF_PAGE: [Change; 10] = [
    |world| file(world, "web/src"),
    |world| file(world, "web/src"),
    |world| execute_bit(world, "web/src"),
    |world| link(world, "web/src"),
    |world| folder(world, "web/src"),
    |world| world.reword("web/build.mjs"),
    |world| world.reword("web/.env"),
    |world| {
        let state = world.numbers.below(Installed::STATES);
        Installed::write_page(&world.checkout.path("web"), state);
        format!("web/package.json in state {state}")
    },
    |world| {
        let lines = ["", "src/two\n", "**/*.tmp\n", "src/inner\n!src/inner/one\n"];
        let text = format!(".dockerignore\n{}", world.any(&lines));
        let how = world.write("web/.dockerignore", &text);
        format!("web/.dockerignore is {text:?}, with {how}")
    },
    |world| {
        let word = world.word();
        world.write("web/dist/index.html", word);
        "web/dist has something".to_owned()
    },
];

/// What Docker takes.
pub(super) const OF_DOCKER: [Change; 9] = [
    |world| {
        let folder = world.any(&["image", "tool"]);
        file(world, folder)
    },
    |world| {
        let folder = world.any(&["image", "tool"]);
        file(world, folder)
    },
    |world| {
        let folder = world.any(&["image", "tool"]);
        execute_bit(world, folder)
    },
    |world| {
        let folder = world.any(&["image", "tool"]);
        link(world, folder)
    },
    |world| {
        let place = world.any(&["image", "tool"]);
        folder(world, place)
    },
    |world| {
        let path = world.any(&["image/.dockerignore", "tool/.dockerignore"]);
        let lines = [
            "",
            "one\n",
            "*\n!one*\n",
            "inner\n!inner/one\n",
            "**/two\n",
            "Dockerfile\n.dockerignore\n",
            "# nothing\n",
        ];
        let text = format!("{}{}", world.any(&lines), world.any(&lines));
        let how = world.write(path, &text);
        format!("{path} is {text:?}, with {how}")
    },
    |world| {
        let path = "tool/Dockerfile.dockerignore";
        if fs::remove_file(world.checkout.path(path)).is_ok() {
            return format!("no {path}");
        }
        world.write(path, "two\n");
        path.to_owned()
    },
    |world| {
        let images = &mut world.images;
        match world.numbers.below(2) {
            0 => images.label[world.numbers.below(2)] = world.numbers.below(WORDS.len()),
            _ => images.mode = world.numbers.below(WORDS.len()),
        }
        images_are(world)
    },
    |world| {
        match world.numbers.below(3) {
            0 => world.images.target ^= true,
            1 => world.images.from_debian ^= true,
            _ => world.images.takes_all ^= true,
        }
        images_are(world)
    },
];

/// What surrounds a build and must not change it.
pub(super) const AROUND: [Change; 10] = [
    variable,
    variable,
    variable,
    |world| {
        let names = [
            "LANG",
            "LC_ALL",
            "TZ",
            "TERM",
            "USER",
            "EDITOR",
            "XDG_CONFIG_HOME",
        ];
        let name = world.any(&names);
        let value = world.any(&["tr_TR.UTF-8", "C", "Asia/Tokyo", "nonsense"]);
        world.variables.insert(name.to_owned(), value.to_owned());
        format!("{name}={value}")
    },
    |world| {
        world.umask = world.any(&["022", "002", "077"]);
        format!("umask {}", world.umask)
    },
    |world| {
        let folder = world.any(&["temporary", "home"]);
        let folder = world.outside(folder).display().to_string();
        world.variables.insert("TMPDIR".to_owned(), folder.clone());
        format!("TMPDIR={folder}")
    },
    |world| {
        let name = world.any(&[
            ".npmrc",
            ".gitconfig",
            ".profile",
            ".cargo/config.toml",
            ".docker/config.json",
            ".babelrc",
            ".env",
            "package.json",
            "node_modules/ms/index.js",
            ".node_modules/ms/index.js",
            ".config/npm/npmrc",
        ]);
        let place = world.outside("home").join(name);
        if fs::remove_file(&place).is_ok() {
            return format!("no {name} at home");
        }
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let text = match name {
            ".cargo/config.toml" => "[build]\nrustc = \"nothing\"\n",
            ".npmrc" => {
                "script-shell=/bin/false\nnode-options=--no-such-option\nignore-scripts=true\n"
            }
            _ => "nonsense",
        };
        fs::write(place, text).unwrap();
        format!("{name} at home")
    },
    |world| {
        let name = world.any(&[
            "perl",
            "pkg-config",
            "g++",
            "clang",
            "env",
            "cat",
            "collect2",
        ]);
        world.program(name, "exit 1");
        format!("a program {name} that fails")
    },
    |world| {
        let text = world.any(&[
            "{}",
            "[]",
            "{ \"proxies\": { \"default\": { \"httpProxy\": \"http://127.0.0.1:1\" } } }",
            "{ \"currentContext\": \"elsewhere\" }",
            "{ \"credsStore\": \"desktop\" }",
        ]);
        fs::write(world.outside("docker/config.json"), text).unwrap();
        format!("configuration of docker {text}")
    },
    |world| {
        let word = world.word();
        let how = world.write("README.md", word);
        format!("README.md is {word}, with {how}")
    },
];

/// What happened to a checkout without any change of its sources.
pub(super) const KEPT: [Change; 6] = [
    damage,
    damage,
    |world| {
        let hours = world.numbers.below(400_000);
        let time =
            SystemTime::UNIX_EPOCH + Duration::from_secs(3_600 * u64::try_from(hours).unwrap());
        for folder in ["server", "shared", "vendor", "web", "image", "tool"] {
            for path in files(&world.checkout.path(folder)) {
                fs::File::open(&path).unwrap().set_modified(time).unwrap();
            }
        }
        format!("all sources are {hours} hours of 1970 old")
    },
    |world| {
        let mode = world.any(&[0o600, 0o640, 0o664]);
        for folder in ["server", "shared", "vendor", "web", "image", "tool"] {
            for path in files(&world.checkout.path(folder)) {
                let runs = fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0;
                let mode = if runs { mode | 0o100 } else { mode };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        format!("all sources have mode {mode:o}")
    },
    |world| {
        let folder = world.any(&["cargo", "prebuilt", "stat", "keys", "closures", "toolchain"]);
        let _ = fs::remove_dir_all(world.checkout.path("target/xtask").join(folder));
        format!("target/xtask/{folder} removed")
    },
    |world| {
        let packages = fs::read_dir(world.checkout.path(Installed::FOLDER)).unwrap();
        let word = world.word();
        for package in packages {
            let path = package.unwrap().path();
            let edited = path.join("node_modules/ms/index.js");
            if edited.is_file() && !path.to_str().unwrap().ends_with("-unedited") {
                // Other checkouts have the same file by a link.
                fs::remove_file(&edited).unwrap();
                fs::write(edited, format!("module.exports = () => '{word}';\n")).unwrap();
            }
        }
        format!("node_modules/ms/index.js edited to {word}")
    },
];

fn cargo(world: &mut World) -> String {
    world.write_cargo();
    format!("{:?}", world.cargo)
}

fn images_are(world: &mut World) -> String {
    world.write_images();
    format!("{:?}", world.images)
}

/// A name in a folder, which may be taken by anything.
fn name(world: &mut World, folder: &str) -> String {
    let name = world.any(&["one", "two", "inner/one", "inner/two", "three.tmp"]);
    format!("{folder}/{name}")
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Makes room for something of this name.
fn clear(world: &World, path: &str) -> PathBuf {
    let place = world.checkout.path(path);
    let parent = place.parent().unwrap();
    if !parent.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        remove(parent);
        fs::create_dir_all(parent).unwrap();
    }
    if !place.symlink_metadata().is_ok_and(|found| found.is_file()) {
        remove(&place);
    }
    place
}

fn file(world: &mut World, folder: &str) -> String {
    let path = name(world, folder);
    let place = clear(world, &path);
    if world.numbers.below(4) == 0 && !path.ends_with("/one") {
        remove(&place);
        return format!("no {path}");
    }
    let text = format!("word:{}", world.word());
    let how = world.write(&path, &text);
    format!("{path} is {text:?}, with {how}")
}

fn execute_bit(world: &mut World, folder: &str) -> String {
    let path = name(world, folder);
    let place = clear(world, &path);
    if !place.exists() {
        fs::write(&place, "word:ant0").unwrap();
    }
    let mode = fs::metadata(&place).unwrap().permissions().mode() ^ 0o100;
    fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
    format!("{path} has mode {mode:o}")
}

fn link(world: &mut World, folder: &str) -> String {
    let path = format!("{folder}/{}", world.any(&["link", "inner", "two"]));
    let to = world.any(&["one", "two", "inner", "nowhere", "/etc/hostname"]);
    let place = world.checkout.path(&path);
    remove(&place);
    symlink(to, &place).unwrap();
    format!("{path} leads to {to}")
}

fn folder(world: &mut World, folder: &str) -> String {
    let path = format!("{folder}/{}", world.any(&["inner", "empty", "empty/deep"]));
    let place = world.checkout.path(&path);
    if place.is_dir() && !place.is_symlink() {
        remove(&place);
        return format!("no {path}");
    }
    remove(&place);
    fs::create_dir_all(&place).unwrap();
    format!("{path} is an empty folder")
}

fn variable(world: &mut World) -> String {
    let names = compiler::variables();
    let name = &names[world.numbers.below(names.len())];
    if world.variables.remove(name).is_some() {
        return format!("no variable {name}");
    }
    world.variables.insert(name.clone(), "/hostile".to_owned());
    format!("{name}=/hostile")
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let items = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let items = items.filter_map(Result::ok);
    let found = items.filter(|item| item.file_type().is_file());
    found.map(walkdir::DirEntry::into_path).collect()
}

/// Damages one of the files that are kept between builds, except cargo's own.
fn damage(world: &mut World) -> String {
    let kept = world.checkout.path("target/xtask");
    let folder = world.any(&[
        "prebuilt",
        "prebuilt",
        "prebuilt",
        "keys",
        "closures",
        "toolchain",
        "stat",
    ]);
    let found = files(&kept.join(folder));
    if found.is_empty() {
        return format!("nothing is in {folder}");
    }
    let path = &found[world.numbers.below(found.len())];
    let shown = path.strip_prefix(&kept).unwrap().display().to_string();
    let mut bytes = fs::read(path).unwrap();
    let half = bytes.len() / 2;
    match world.numbers.below(4) {
        0 => bytes.truncate(half),
        1 => bytes.push(b' '),
        2 => {
            fs::remove_file(path).unwrap();
            return format!("{shown} is gone");
        }
        _ => match bytes.get_mut(half) {
            Some(byte) => *byte ^= 1,
            None => bytes.push(1),
        },
    }
    fs::write(path, bytes).unwrap();
    format!("{shown} is damaged")
}
