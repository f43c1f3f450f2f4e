//! The gate against what a hostile client can send. Nothing here needs an engine or MiniStack.

mod containers;
mod keys;
mod reading;
mod signatures;
mod tasks;
mod through;

use crate::head::Head;
use crate::{Cloud, Platform, version};
use std::path::Path;

/// Random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

fn head(text: &str) -> Head {
    Head::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text:?}: {}", refusal.message))
}

pub(crate) fn platform() -> Platform {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Platform {
        orchestrator: "orchestrator".to_owned(),
        generator: "generator".to_owned(),
        buckets: names(&["ours"]),
        clusters: names(&["cluster"]),
        families: names(&["generators", "previews"]),
        log_groups: names(&["/ecs/generators"]),
        tables: names(&["table"]),
        queues: names(&["queue"]),
    }
}

#[test]
fn the_version_follows_every_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sources = files.filter(|file| file.file_type().unwrap().is_file());
    assert_eq!(sources.count(), crate::SOURCES.len());
    assert_eq!(version().len(), 16);
}

fn config(folder: &Path, port: u16) -> Cloud {
    let platforms = folder.join("platforms");
    std::fs::create_dir_all(&platforms).unwrap();
    let text = serde_json::to_vec(&platform()).unwrap();
    std::fs::write(platforms.join("project.json"), text).unwrap();
    std::fs::write(platforms.join("damaged.json"), "{").unwrap();
    Cloud {
        port,
        bridge: None,
        upstream: folder.join("upstream"),
        key: folder.join("key"),
        engine_for_cloud: folder.join("engine-for-cloud"),
        engine: folder.join("engine"),
        platforms,
        version: version(),
    }
}
