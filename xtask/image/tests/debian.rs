//! Packages of Debian as an image gets them: made here by the real dpkg-deb, and unpacked without any
//! package manager.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask_core::cmd::Cmd;
use xtask_core::digest::digest_bytes;
use xtask_core::error::Rendered;
use xtask_docker::buildx::Source;
use xtask_image::build::archive::Archive;
use xtask_image::build::debian;
use xtask_image::build::kept::Kept;
use xtask_image::debian::lock::{LockFile, Package, path};
use xtask_image::debian::sources::Archives;
use xtask_image::debian::store::Store;
use xtask_image::key::apt;
use xtask_image::key::inputs::AptInputs;
use xtask_tree::entry::{Digest, Entry, Mode};

const IMAGE: &str = "generator";

/// Packages that are made for a test, in a store that has them.
struct World {
    folder: tempfile::TempDir,
    packages: Vec<Package>,
}

/// A file of a package: its path, its mode and its content.
type File<'a> = (&'a str, u32, &'a str);

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            packages: Vec::new(),
        }
    }

    /// A store whose archive does not answer: what it does not have, it does not get.
    fn store(&self) -> Store {
        let archives = Archives::of_mirror("http://127.0.0.1:1");
        Store::new(&self.folder.path().join("store"), archives)
    }

    fn file(&self, package: &Package) -> PathBuf {
        let name = format!("store/{}/package.deb", package.sha256);
        self.folder.path().join(name)
    }

    /// Makes a package of these files; `more` adds what is no file. Its scripts would not go unnoticed.
    fn package(&mut self, name: &str, files: &[File<'_>], more: impl FnOnce(&Path)) {
        let root = self.folder.path().join(name);
        for (path, mode, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        more(&root);
        let control = root.join("DEBIAN");
        fs::create_dir_all(&control).unwrap();
        fs::write(
            control.join("control"),
            format!(
                "Package: {name}\nVersion: 1:2.0+x-1\nArchitecture: all\nMaintainer: nobody\n\
                 Description: a package of a test\n"
            ),
        )
        .unwrap();
        let executed = self.folder.path().join("executed");
        for script in ["preinst", "postinst"] {
            let script = control.join(script);
            fs::write(
                &script,
                format!("#!/bin/sh\ntouch {}\n", executed.display()),
            )
            .unwrap();
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let file = self.folder.path().join(format!("{name}.deb"));
        Cmd::new("dpkg-deb")
            .args(["--build", "--root-owner-group"])
            .args([&root, &file])
            .read()
            .unwrap();
        let bytes = fs::read(&file).unwrap();
        let package = Package {
            name: name.to_owned(),
            version: "1:2.0+x-1".to_owned(),
            architecture: "all".to_owned(),
            sha256: digest_bytes(&bytes),
            size_bytes: bytes.len() as u64,
            path: format!("debian/pool/main/{name}.deb"),
        };
        let kept = self.file(&package);
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::rename(file, kept).unwrap();
        self.packages.push(package);
    }

    fn lock(&self) -> LockFile {
        LockFile {
            suite: "trixie".to_owned(),
            wanted: vec!["one".to_owned()],
            packages: self.packages.clone(),
        }
    }

    fn inputs(&self) -> AptInputs {
        apt::of_packages(&self.packages, "debian")
    }

    fn build(&self, checkout: &Checkout) -> anyhow::Result<Kept> {
        self.lock().write(checkout.root(), IMAGE).unwrap();
        debian::build_from(
            &self.store(),
            &context(checkout.root()),
            IMAGE,
            &self.inputs(),
        )
    }

    fn refusal(&self) -> String {
        let checkout = Checkout::new();
        let error = self.build(&checkout).unwrap_err();
        let rendered = Rendered::new(&error);
        [vec![rendered.message], rendered.causes]
            .concat()
            .join(": ")
    }
}

/// What the builder would be given.
fn packed(kept: &Kept) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::default();
    archive.add_entries(&kept.folder, "debian", &kept.entries);
    let packed = archive
        .pack(b"FROM scratch\nCOPY debian/ /\n", folder.path())
        .unwrap();
    let Source::Tar { mut tar, .. } = packed.source else {
        panic!("a folder");
    };
    let mut bytes = Vec::new();
    tar.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Two packages with all that packages have.
fn world() -> World {
    let mut world = World::new();
    world.package(
        "one",
        &[
            ("usr/bin/one", 0o4755, "#!/bin/sh\n"),
            ("etc/one/secret.conf", 0o600, "plain\n"),
            ("usr/share/man/man1/one.1", 0o644, "left out"),
            ("usr/share/doc/one/README", 0o644, "left out"),
            ("usr/share/doc/one/copyright", 0o644, "a licence"),
            ("usr/lib/one/same", 0o755, "the same twice"),
        ],
        |root| {
            symlink("one", root.join("usr/bin/uno")).unwrap();
            fs::hard_link(
                root.join("usr/lib/one/same"),
                root.join("usr/lib/one/same-too"),
            )
            .unwrap();
            let empty = root.join("var/lib/one");
            fs::create_dir_all(&empty).unwrap();
            fs::set_permissions(empty, fs::Permissions::from_mode(0o2775)).unwrap();
        },
    );
    world.package(
        "two",
        &[
            // Of a package that is older than the merge of these folders into usr.
            ("sbin/two", 0o755, "two"),
            (
                "usr/share/ca-certificates/mozilla/B.crt",
                0o644,
                "certificate B",
            ),
            (
                "usr/share/ca-certificates/mozilla/Főtanúsítvány.crt",
                0o644,
                "certificate F\n\n",
            ),
            (
                "usr/share/ca-certificates/mozilla/A.crt",
                0o644,
                "certificate A\n",
            ),
            (
                "usr/share/ca-certificates/notes.txt",
                0o644,
                "no certificate",
            ),
        ],
        |_| (),
    );
    world
}

#[test]
fn an_image_gets_the_files_of_packages_and_nothing_is_executed() {
    let world = world();
    let checkout = Checkout::new();
    let kept = world.build(&checkout).unwrap();
    let file = |mode: Mode, text: &str| Entry::File {
        mode,
        digest: Digest::of(text.as_bytes()),
    };
    for (path, entry) in [
        ("usr/bin/one", Some(file(Mode::Executable, "#!/bin/sh\n"))),
        (
            "usr/bin/uno",
            Some(Entry::Symlink {
                target: "one".to_owned(),
            }),
        ),
        ("etc/one/secret.conf", Some(file(Mode::Plain, "plain\n"))),
        ("usr/share/man/man1/one.1", None),
        ("usr/share/doc/one/README", None),
        (
            "usr/share/doc/one/copyright",
            Some(file(Mode::Plain, "a licence")),
        ),
        (
            "usr/lib/one/same",
            Some(file(Mode::Executable, "the same twice")),
        ),
        (
            "usr/lib/one/same-too",
            Some(file(Mode::Executable, "the same twice")),
        ),
        (
            "var/lib/one",
            Some(Entry::Directory {
                mode: Mode::Executable,
            }),
        ),
        ("sbin", None),
        ("usr/sbin/two", Some(file(Mode::Executable, "two"))),
        (
            "etc/ssl/certs/ca-certificates.crt",
            Some(file(
                Mode::Plain,
                "certificate A\ncertificate B\ncertificate F\n",
            )),
        ),
        ("DEBIAN", None),
    ] {
        assert_eq!(kept.entries.get(path), entry.as_ref(), "{path}");
    }
    let status = kept.folder.join("var/lib/dpkg/status.d/one");
    let status = fs::read_to_string(status).unwrap();
    assert!(
        status.starts_with("Package: one\nVersion: 1:2.0+x-1\n"),
        "{status}"
    );
    assert!(!world.folder.path().join("executed").exists());
}

#[test]
fn the_same_packages_are_the_same_bytes_wherever_they_are_unpacked() {
    let (world, other) = (world(), self::world());
    let checkouts = [Checkout::new(), Checkout::below("a/b")];
    let first = world.build(&checkouts[0]).unwrap();
    let second = other.build(&checkouts[1]).unwrap();
    // dpkg-deb writes times into packages, so these are others, of the same files.
    assert_eq!(first.entries, second.entries);
    assert_eq!(packed(&first), packed(&second));
}

#[test]
fn packages_are_unpacked_once_and_a_damaged_result_is_not_believed() {
    let world = world();
    let checkout = Checkout::new();
    let first = world.build(&checkout).unwrap();
    let record = first.folder.parent().unwrap().with_extension("json");
    // Each build writes a new record.
    let build = || fs::metadata(&record).unwrap().ino();
    let mut last = build();
    world.build(&checkout).unwrap();
    assert_eq!(build(), last, "unpacked once");
    let program = first.folder.join("usr/bin/one");
    let damages: [&dyn Fn(); 5] = [
        &|| fs::write(&program, "#!/bin/SH\n").unwrap(),
        &|| fs::remove_file(&program).unwrap(),
        &|| fs::write(first.folder.join("added"), "").unwrap(),
        &|| fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap(),
        &|| fs::write(&record, "{}").unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let again = world.build(&checkout).unwrap();
        assert_eq!(again.entries, first.entries);
        assert_eq!(fs::read(&program).unwrap(), b"#!/bin/sh\n");
        assert_ne!(build(), last, "damage {number}");
        last = build();
    }
    // What builds use stays; what none has used for long goes.
    let month = Duration::from_secs(30 * 86_400);
    assert_eq!(world.store().unused_for(month), [""; 0].map(PathBuf::from));
    let file = world.file(&world.packages[0]);
    let opened = fs::File::options().append(true).open(&file).unwrap();
    opened.set_modified(SystemTime::now() - 2 * month).unwrap();
    assert_eq!(world.store().unused_for(month), [file.parent().unwrap()]);
    fs::remove_file(&record).unwrap();
    world.build(&checkout).unwrap();
    assert_eq!(world.store().unused_for(month), [""; 0].map(PathBuf::from));
    // A damaged package in the store is downloaded again, which fails here.
    fs::write(world.file(&world.packages[0]), "damaged").unwrap();
    fs::remove_file(&record).unwrap();
    let error = world.build(&checkout).unwrap_err();
    let error = Rendered::new(&error);
    assert_eq!(
        error.message,
        "failed to get the package one 1:2.0+x-1 of Debian"
    );
    assert_eq!(error.hint.unwrap(), "cargo xtask bases --update");
    assert!(!record.exists());
}

#[test]
fn what_no_image_can_have_is_refused_by_name() {
    let mut world = World::new();
    world.package("one", &[("usr/bin/same", 0o755, "one")], |_| ());
    world.package("two", &[("usr/bin/same", 0o755, "two")], |_| ());
    assert_eq!(
        world.refusal(),
        "the packages one and two both have usr/bin/same"
    );

    // Through the link of a package, another one would write to where it leads.
    let mut world = World::new();
    let outside = tempfile::tempdir().unwrap();
    world.package("one", &[], |root| {
        fs::create_dir_all(root).unwrap();
        symlink(outside.path(), root.join("opt")).unwrap();
    });
    world.package("two", &[("opt/file", 0o644, "two")], |_| ());
    assert_eq!(world.refusal(), "the packages one and two both have opt");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

    let mut world = World::new();
    world.package("one", &[("usr/bin/one", 0o755, "one")], |root| {
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            root.join("usr/bin/pipe"),
            rustix::fs::Mode::RUSR,
        )
        .unwrap();
    });
    let refusal = world.refusal();
    assert!(
        refusal.contains("the package one 1:2.0+x-1 has ./usr/bin/pipe of the kind"),
        "{refusal}"
    );

    let mut world = self::world();
    world.packages[0].version = "3".to_owned();
    assert_eq!(
        world.refusal(),
        "the lock file says Version 3 of the package one, whose file says `1:2.0+x-1`"
    );
}

#[test]
fn a_lock_file_that_changes_during_a_build_is_noticed() {
    let world = world();
    let checkout = Checkout::new();
    let inputs = world.inputs();
    let mut lock = world.lock();
    lock.packages.pop();
    lock.write(checkout.root(), IMAGE).unwrap();
    let context = context(checkout.root());
    let error = debian::build_from(&world.store(), &context, IMAGE, &inputs).unwrap_err();
    let message = format!("{} changed while it was being built", path(IMAGE));
    assert_eq!(error.to_string(), message);
}
