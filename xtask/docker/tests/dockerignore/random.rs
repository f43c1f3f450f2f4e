//! Random trees, with ignore files whose patterns are made from the names in them.

use crate::case::{Case, Node};
use std::collections::BTreeMap;

/// Pseudo-random numbers (SplitMix64). The same seed gives the same numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of the modes, now and then.
    fn mode(&mut self, modes: &[u32]) -> Option<u32> {
        self.percent(20).then(|| modes[self.below(modes.len())])
    }

    fn pick<'items, T: ?Sized>(&mut self, items: &[&'items T]) -> &'items T {
        items[self.below(items.len())]
    }
}

const NAMES: &[&[u8]] = &[
    b"a", b"b", b"ab", b"abc", b"aab", b"a.b", b"x.log", b"y.log", b"logs", b"src", b"keep", b"d",
    b"1", b"a1", b"B", b".h", b"a b",
];
const ODD_NAMES: &[&[u8]] = &[
    "é".as_bytes(),
    "日本".as_bytes(),
    "\u{fffd}".as_bytes(),
    "\u{a0}x".as_bytes(),
    b" a",
    b"a ",
    b"#a",
    b"!a",
    b"[a]",
    b"*",
    b"**",
    b"?",
    b"a*",
    b"b\\a",
    b"a\nb",
    b"\ta",
    b"-",
    b"a|b",
    b"{2}",
    b"^a",
    b"(a)",
    b"a+b",
    b"$",
    b"]",
    b"\x7f",
];
/// The builder cannot send these, and need not where they are ignored.
const NAMES_NOT_UTF8: &[&[u8]] = &[b"\xff", b"a\xe2\x82", b"\xc3b"];

const WILD: &[&str] = &[
    "*", "**", "?", "a*", "*b", "??", "*.log", "[a-d]*", "[^a]*", r"\w*", "***",
];
const BEFORE: &[&str] = &[
    "/", "./", "../", "//", "**/", "*/", "x/../", "!", "../../", "/**/", "a|",
];
const BEHIND: &[&str] = &[
    "/", "/.", "/..", "/*", "/**", "/**/*", " ", "*", "?", "/ ", "/../*", "|b",
];
const ANYWHERE: &[&str] = &[
    "*",
    "**",
    "?",
    "[",
    "]",
    "[]",
    "[^",
    "^",
    "-",
    "!",
    "\\",
    "|",
    "{",
    "}",
    "{2}",
    "{0,1}",
    "{1,}",
    "(",
    ")",
    "$",
    "+",
    ".",
    "/",
    "//",
    "#",
    " ",
    "\\d",
    "\\w",
    "\\b",
    "\\x61",
    "\\101",
    "\\a",
    "\\q",
    "\\é",
    "\\Q",
    "\\E",
    "\\A",
    "\\z",
    "[[:alpha:]]",
    "[[:^digit:]]",
    "[[:nothing:]]",
    "[a-\\d]",
    "[z-a]",
    "[a**b]",
    "[?]",
    "[*]",
    "[\\]a]",
    "[&&a]",
    "[a--b]",
    "\u{feff}",
    "\u{a0}",
    "\t",
    "\u{1}",
    "\u{fffd}",
    "é",
];

/// A tree with its ignore files.
pub(crate) fn case(random: &mut Random) -> Case {
    let mut tree = context(random);
    let dockerfile = dockerfile(random, &tree);
    let paths: Vec<Vec<u8>> = tree
        .keys()
        .map(|path| path[b"context/".len()..].to_vec())
        .chain([b".dockerignore".to_vec(), b"Dockerfile".to_vec()])
        .collect();
    if random.percent(90) {
        let rules = ignore_file(random, &paths);
        tree.insert(b"context/.dockerignore".to_vec(), Node::File(None, rules));
    }
    if random.percent(20) {
        let rules = ignore_file(random, &paths);
        let own = match random.percent(70) {
            true => dockerfile.clone(),
            false => small(&dockerfile),
        };
        let own = [own.as_slice(), b".dockerignore"].concat();
        tree.insert(own, Node::File(None, rules));
    }
    if random.percent(20) {
        put_elsewhere(random, &dockerfile, &mut tree);
    }
    Case {
        note: String::new(),
        dockerfile,
        tree,
    }
}

/// The path with the name `dockerfile`.
fn small(dockerfile: &[u8]) -> Vec<u8> {
    let folder = &dockerfile[..dockerfile.len() - b"Dockerfile".len()];
    [folder, b"dockerfile"].concat()
}

/// Puts the Dockerfile where the build must find it: in small letters, or behind a link.
fn put_elsewhere(random: &mut Random, dockerfile: &[u8], tree: &mut BTreeMap<Vec<u8>, Node>) {
    let folder = &dockerfile[..dockerfile.len() - b"Dockerfile".len()];
    let obstacle = match random.below(10) {
        0..3 => None,
        3 => Some(Node::Directory(None)),
        4 => Some(Node::Link(b"nothing".to_vec())),
        5 => Some(Node::Link(b"dockerfile".to_vec())),
        _ => {
            let targets: &[&[u8]] = &[b"D", b"./D", b"/D", b"../D", b"../context/D", b"a/../D"];
            let link = Node::Link(random.pick(targets).to_vec());
            tree.insert(dockerfile.to_vec(), link);
            tree.insert([folder, b"D"].concat(), Node::Dockerfile);
            return;
        }
    };
    tree.insert(small(dockerfile), Node::Dockerfile);
    if let Some(obstacle) = obstacle {
        tree.insert(dockerfile.to_vec(), obstacle);
    }
}

fn context(random: &mut Random) -> BTreeMap<Vec<u8>, Node> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![b"context".to_vec()];
    for number in 0..3 + random.below(14) {
        let folder = folders[random.below(folders.len())].clone();
        let name = match random.below(1000) {
            0..5 => random.pick(NAMES_NOT_UTF8),
            5..130 => random.pick(ODD_NAMES),
            _ => random.pick(NAMES),
        };
        let path = [folder.as_slice(), b"/", name].concat();
        if tree.contains_key(&path) {
            continue;
        }
        // Each its own, so that one taken for another is noticed; some with none.
        let content = match random.percent(90) {
            true => number.to_string().into_bytes(),
            false => Vec::new(),
        };
        let node = match random.below(20) {
            0..9 if folder.iter().filter(|&&byte| byte == b'/').count() < 4 => {
                folders.push(path.clone());
                Node::Directory(random.mode(&[0o700, 0o711, 0o775, 0o1777, 0o2755]))
            }
            0..18 => Node::File(
                random.mode(&[0o400, 0o600, 0o666, 0o744, 0o755, 0o1644, 0o2755, 0o4755]),
                content,
            ),
            _ => {
                let targets: &[&[u8]] =
                    &[b"a", b"nothing", b".", b"..", b"/logs", b"d/a", b"../src"];
                Node::Link(random.pick(targets).to_vec())
            }
        };
        tree.insert(path, node);
    }
    tree
}

/// A path outside of the context, in it, or further down in it.
fn dockerfile(random: &mut Random, tree: &BTreeMap<Vec<u8>, Node>) -> Vec<u8> {
    let folders: Vec<&[u8]> = tree
        .iter()
        // The builder splits what it is given at commas and the like.
        .filter(|(path, node)| matches!(node, Node::Directory(_)) && path.is_ascii())
        .map(|(path, _)| path.as_slice())
        .collect();
    match random.below(10) {
        0..6 => b"outside/Dockerfile".to_vec(),
        9 if !folders.is_empty() => [random.pick(&folders), b"/Dockerfile"].concat(),
        _ => b"context/Dockerfile".to_vec(),
    }
}

fn ignore_file(random: &mut Random, paths: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    if random.percent(5) {
        file.extend("\u{feff}".as_bytes());
    }
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    for _ in 0..random.below(8) {
        match random.below(10) {
            // The same pattern again, perhaps as an exception: the order of patterns matters.
            0..3 if !patterns.is_empty() => {
                let mut again = patterns[random.below(patterns.len())].clone();
                if random.percent(30) && !again.starts_with(b"!") {
                    again.insert(0, b'!');
                }
                patterns.push(again);
            }
            // A folder with an exception below it.
            3 => {
                let path = &paths[random.below(paths.len())];
                let folder = path.split(|&byte| byte == b'/').next().unwrap_or(path);
                patterns.push(folder.to_vec());
                patterns.push([b"!", path.as_slice()].concat());
            }
            _ => patterns.push(pattern(random, paths)),
        }
    }
    for pattern in patterns {
        match random.below(30) {
            0 => file.extend(b"# comment\n"),
            1 => file.extend(b"  \n"),
            2 => file.extend(b" \t"),
            _ => {}
        }
        file.extend(pattern);
        file.extend_from_slice(match random.below(20) {
            0..2 => b"\r\n",
            2 => b" \t\n",
            _ => b"\n",
        });
    }
    if random.percent(20) {
        file.pop();
    }
    file
}

fn pattern(random: &mut Random, paths: &[Vec<u8>]) -> Vec<u8> {
    let path = &paths[random.below(paths.len())];
    let mut parts: Vec<Vec<u8>> = path
        .split(|&byte| byte == b'/')
        .map(<[u8]>::to_vec)
        .collect();
    parts.truncate(1 + random.below(parts.len()));
    for part in &mut parts {
        if random.percent(60) {
            *part = escaped(part);
        }
    }
    for _ in 0..random.below(3) {
        let index = random.below(parts.len());
        match random.below(6) {
            0 => parts[index] = random.pick(WILD).into(),
            1 => parts[index] = with_a_wildcard(random, &parts[index]),
            2 => parts.insert(index, random.pick(WILD).into()),
            3 if random.percent(30) => parts[0]
                .splice(0..0, random.pick(BEFORE).bytes())
                .for_each(drop),
            4 if random.percent(50) => parts
                .last_mut()
                .unwrap()
                .extend(random.pick(BEHIND).bytes()),
            5 if random.percent(20) => {
                let at = random.below(parts[index].len() + 1);
                parts[index].splice(at..at, random.pick(ANYWHERE).bytes());
            }
            _ => {}
        }
    }
    let pattern = parts.join(&b'/');
    match random.below(20) {
        0..6 => [b"!", pattern.as_slice()].concat(),
        6 => [b"! ", pattern.as_slice()].concat(),
        _ => pattern,
    }
}

/// The pattern that matches only this name.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in name {
        if b"*?[]\\^|{}".contains(&byte) {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

/// The name with one character replaced by something that may still match it.
fn with_a_wildcard(random: &mut Random, part: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(part) else {
        return b"*".to_vec();
    };
    let characters: Vec<char> = text.chars().collect();
    let at = random.below(characters.len().max(1));
    let Some(&character) = characters.get(at) else {
        return b"?".to_vec();
    };
    let replacement = match random.below(12) {
        0..3 => "?".to_owned(),
        3 => format!("[{character}]"),
        4 => format!("[^{character}]"),
        5 => format!("[{character}b-d]"),
        6 => format!("\\{character}"),
        7 => format!("\\x{{{:x}}}", u32::from(character)),
        8 => format!("{character}{{1,2}}"),
        9 => format!("[[:alnum:]{character}]"),
        10 => format!("{character}*"),
        _ => format!("{character}|{character}"),
    };
    let before: String = characters[..at].iter().collect();
    let behind: String = characters[at + 1..].iter().collect();
    [before, replacement, behind].concat().into_bytes()
}
