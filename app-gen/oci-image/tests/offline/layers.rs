//! The layer of an application.

use app_gen_oci_image::{BaseImage, Image, Layer, Limits, USER};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Small deterministic generator of random numbers (SplitMix64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A file of a random application.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    File(Vec<u8>, bool),
    Link(String),
}

/// A random application, by path.
fn application(random: &mut Random) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for number in 0..random.below(30) + 1 {
        let folders: String = (0..random.below(4))
            .map(|_| format!("folder-{}/", random.below(3)))
            .collect();
        // Longer than the oldest form of an archive allows, now and then.
        let length = if random.below(8) == 0 { 140 } else { 8 };
        let name = format!("{folders}{}{number}", "a".repeat(length));
        let length = random.below(5_000);
        let content: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        let entry = match random.below(6) {
            0 => Entry::Link("./somewhere/else".to_owned()),
            kind => Entry::File(content, kind == 1),
        };
        entries.insert(name, entry);
    }
    entries
}

/// Writes an application in an order, with times and rights by chance.
fn write(entries: &BTreeMap<String, Entry>, random: &mut Random) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut order: Vec<_> = entries.iter().collect();
    for place in (1..order.len()).rev() {
        order.swap(place, random.below(place + 1));
    }
    for (name, entry) in order {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match entry {
            Entry::Link(target) => symlink(target, &path).unwrap(),
            Entry::File(content, is_executable) => {
                fs::write(&path, content).unwrap();
                let noise = [0o044, 0o040, 0o004][random.below(3)];
                let mode = noise | if *is_executable { 0o700 } else { 0o600 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let seconds = Duration::from_secs(random.next() % 2_000_000_000);
                let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + seconds);
                let file = File::options().write(true).open(&path).unwrap();
                file.set_times(times).unwrap();
            }
        }
    }
    folder
}

pub(crate) fn image(folder: &Path) -> Image {
    let digest = "0".repeat(64);
    let base: BaseImage = format!("localhost:1/base@sha256:{digest}").parse().unwrap();
    Image::of_node(base, folder.to_owned(), 8080)
}

fn pack(folder: &Path) -> Layer {
    Layer::pack(&image(folder), &Limits::default()).unwrap()
}

#[test]
fn the_same_files_give_the_same_digest_and_others_another_one() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut entries = application(&mut random);
        let (one, other) = (write(&entries, &mut random), write(&entries, &mut random));
        let (one, other) = (pack(one.path()), pack(other.path()));
        assert_eq!(one.digest, other.digest, "seed {seed}");
        assert_eq!(one.diff_id, other.diff_id, "seed {seed}");
        assert_eq!(one.size_bytes, other.size_bytes, "seed {seed}");

        let place = random.below(entries.len());
        let entry = entries.values_mut().nth(place).unwrap();
        *entry = match &*entry {
            Entry::Link(target) => Entry::Link(format!("{target}-changed")),
            Entry::File(content, is_executable) if random.below(2) == 0 => {
                Entry::File(content.clone(), !is_executable)
            }
            Entry::File(content, is_executable) => {
                Entry::File([content.as_slice(), b"more"].concat(), *is_executable)
            }
        };
        let changed = pack(write(&entries, &mut random).path());
        assert_ne!(one.diff_id, changed.diff_id, "seed {seed}");
    }
}

#[test]
fn an_archive_has_one_owner_one_time_and_plain_rights() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("node_modules/.bin")).unwrap();
    fs::write(at("package.json"), "{}").unwrap();
    fs::write(at("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at("run"), fs::Permissions::from_mode(0o4777)).unwrap();
    symlink("../../run", at("node_modules/.bin/run")).unwrap();
    let mut image = image(folder.path());
    image.modified_secs = 946_684_860;
    let given = [("dist/version.json", "new"), ("package.json", "{1}")];
    image.files = given
        .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
        .into();
    let layer = Layer::pack(&image, &Limits::default()).unwrap();
    let packed = layer.read().unwrap();
    assert_eq!(packed.len() as u64, layer.size_bytes);

    let mut archive = tar::Archive::new(GzDecoder::new(&*packed));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let owner = u64::from(USER);
        assert_eq!(
            (header.uid().unwrap(), header.gid().unwrap()),
            (owner, owner)
        );
        assert_eq!(header.mtime().unwrap(), 946_684_860);
        let mode = header.mode().unwrap();
        let path = entry.path().unwrap().display().to_string();
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| link.display().to_string());
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        found.push((path, mode, link.unwrap_or(content)));
    }
    let expected = [
        ("app", 0o755, ""),
        ("app/dist", 0o755, ""),
        ("app/dist/version.json", 0o644, "new"),
        ("app/node_modules", 0o755, ""),
        ("app/node_modules/.bin", 0o755, ""),
        ("app/node_modules/.bin/run", 0o777, "../../run"),
        ("app/package.json", 0o644, "{1}"),
        ("app/run", 0o755, "#!/bin/sh\n"),
    ];
    let expected =
        expected.map(|(path, mode, content)| (path.to_owned(), mode, content.to_owned()));
    assert_eq!(found, expected);
}

/// Why an application is refused, with its folder left out.
fn refusal(change: impl FnOnce(&Path, &mut Image, &mut Limits)) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("package.json"), "{}").unwrap();
    let (mut image, mut limits) = (image(folder.path()), Limits::default());
    change(folder.path(), &mut image, &mut limits);
    let error = Layer::pack(&image, &limits).unwrap_err();
    assert!(!error.retryable());
    let text = error.to_string();
    text.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn nothing_but_what_belongs_to_an_application_is_packed() {
    let link = |target: &'static str| {
        refusal(move |folder, _, _| symlink(target, folder.join("link")).unwrap())
    };
    for target in ["/etc/passwd", "../secret", "a/../../secret"] {
        assert_eq!(
            link(target),
            format!(
                "failed to pack FOLDER/link: it links to {target}, which is not in the application"
            )
        );
    }
    let socket = refusal(|folder, _, _| {
        std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    });
    assert_eq!(
        socket,
        "failed to pack FOLDER/socket: it is neither a file nor a folder nor a link"
    );
    let none = refusal(|_, image, _| image.folder = "/nonexistent/folder".into());
    assert!(
        none.starts_with("failed to pack /nonexistent/folder: No such file"),
        "{none}"
    );
    let many = refusal(|folder, _, limits| {
        limits.entries = 1;
        fs::write(folder.join("second"), "").unwrap();
    });
    assert_eq!(many, "failed to pack FOLDER: it has more than 1 entries");
    let large = refusal(|folder, _, limits| {
        limits.application_bytes = 10;
        fs::write(folder.join("large"), "12345678901").unwrap();
    });
    assert_eq!(
        large,
        "failed to pack FOLDER: its files have more than 10 bytes"
    );
    for (path, reason) in [
        ("../outside", "it is no path within the application"),
        ("/etc/passwd", "it is no path within the application"),
        ("", "it is no path within the application"),
        ("package.json/version", "package.json is no folder"),
    ] {
        let text = refusal(|_, image, _| {
            image.files.insert(path.to_owned(), Vec::new());
        });
        assert_eq!(text, format!("failed to pack {path}: {reason}"));
    }
}
