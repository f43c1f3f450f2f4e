//! What the comparison with the engine cannot show: the text of errors, and bounds of time.

use super::*;
use std::time::Duration;

/// Decides upon the directories above a path first, as the walk does, and then upon the path.
fn decide(rules: &Rules, path: &[u8]) -> Result<Matches, PatternError> {
    let mut matches = Matches::default();
    let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    for end in slashes.map(|(end, _)| end).chain([path.len()]) {
        matches = rules.matches(&path[..end], &matches)?;
    }
    Ok(matches)
}

fn ignored(file: &str, paths: &[&str]) -> Vec<bool> {
    let rules = Rules::parse(file.as_bytes()).unwrap();
    let decide = |path: &&str| decide(&rules, path.as_bytes()).unwrap().ignored;
    paths.iter().map(decide).collect()
}

#[test]
fn inheritance_is_per_pattern() {
    assert_eq!(ignored("**/*.log\n!logs", &["logs/a.log"]), [true]);
    assert_eq!(ignored("**/*.log\n!logs/**", &["logs/a.log"]), [false]);
    assert_eq!(ignored("d/f\n!d", &["d", "d/f"]), [false, true]);
    // The second `d` is not tried on `d`, which is ignored already: Docker keeps `d/a`.
    assert_eq!(ignored("d\n!d/a\nd", &["d/a", "d/b"]), [false, true]);
}

#[test]
fn what_is_kept_by_oversight_arrives_empty() {
    let emptied = |file: &str, path: &str| {
        let rules = Rules::parse(file.as_bytes()).unwrap();
        let matches = decide(&rules, path.as_bytes()).unwrap();
        (matches.ignored, matches.emptied)
    };
    assert_eq!(emptied("d\n!d/a\nd", "d/a"), (false, true));
    assert_eq!(emptied("d\n!d/a\nd", "d/b"), (true, false));
    assert_eq!(emptied("d\n!d/a", "d/a"), (false, false));
    assert_eq!(emptied("d\n!d/a\nd\n!d/a/*", "d/a/b"), (false, false));
}

#[test]
fn star_star_and_friends() {
    assert_eq!(
        ignored("*\n!keep/**\n", &["x", "keep/y/z", "other/k"]),
        [true, false, true]
    );
    assert_eq!(
        ignored(
            "**/node_modules",
            &["node_modules/a", "b/node_modules", "nodes"]
        ),
        [true, true, false]
    );
    assert_eq!(
        ignored("a/**", &["a/b", "ab", "a/b/c"]),
        [true, false, true]
    );
    assert_eq!(
        ignored("/x/../y?z\n[^b]at", &["y1z", "yéz", "cat", "bat"]),
        [true, true, true, false]
    );
}

#[test]
fn regular_expressions_shine_through() {
    for (pattern, matching, other) in [
        (r"\d?", "4a", "da"),
        (r"\x41*", "Ab", "x41b"),
        ("x|y?", "xanything", "y"),
        ("a{2}?", "aab", "ab"),
        ("a{2,}[b]", "aaaab", "ab"),
        ("{a}?", "{a}b", "aab"),
        ("[*]", "[]", "*"),
        ("[*]", "[[]", "a]"),
        ("[a**b]", "?", "c"),
        ("[[:alpha:]]1", "x1", "11"),
        (r"\Q*\E[b]", "[^/]*b", "xb"),
        (r"a\b?", "a.", "ab"),
        (r"[a\-c]?", "-x", "bx"),
        ("a**b", "ax/y/b", "a\n/b"),
        ("a*b", "a\nb", "a/b"),
        ("[&&b]?", "&x", "ax"),
        ("{0}x*", "any/xy", "any"),
    ] {
        assert_eq!(ignored(pattern, &[matching]), [true], "{pattern}");
        assert_eq!(ignored(pattern, &[other]), [false], "{pattern}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_characters_one_by_one() {
    let matches = |pattern: &[u8], path: &[u8]| {
        let rules = Rules::parse(pattern).unwrap();
        decide(&rules, path).unwrap().ignored
    };
    assert!(matches(b"a??", b"a\xe2\x82"));
    assert!(!matches(b"a?", b"a\xe2\x82"));
    assert!(matches(b"\xff?", b"\xfeb"));
    assert!(!matches(b"\xff", b"\xff"));
    assert!(matches(b"\xff", "\u{fffd}".as_bytes()));
}

#[test]
fn comments_marks_and_blanks() {
    assert_eq!(
        ignored(
            "\u{feff}a  \r\n#b\n #c\n\u{a0}d\u{2003}\r",
            &["a", "#b", "#c", "d"]
        ),
        [true, false, true, true]
    );
    // A second cleaning, in which `!` is part of a name.
    assert_eq!(ignored("!../../x\n*\n./!y", &["x", "y"]), [true, false]);
}

#[test]
fn malformed_patterns_are_refused_by_name() {
    for pattern in ["!", "!/", "/!", "[a", "a[]", "\\", "[a-]", "[-a]", "a\tb"] {
        let error = Rules::parse(format!("x\n{pattern}\n").as_bytes()).unwrap_err();
        assert_eq!(error.line, 2, "{pattern}");
    }
    assert!(Rules::parse(b"[\xff]").is_err());
    assert!(Rules::parse("a\tb\né".as_bytes()).is_ok());
    for pattern in [
        r"\q", r"\é", r"a\8", r"[z-a]", "a{2}{3}?", "a{1001}?", r"\pL", r"[\_-\d]",
    ] {
        let rules = Rules::parse(format!("!x\n{pattern}").as_bytes()).unwrap();
        let error = decide(&rules, b"y").unwrap_err();
        assert!(error.to_string().contains(pattern), "{error}");
        // Not before it is tried.
        let rules = Rules::parse(format!("*\n{pattern}").as_bytes()).unwrap();
        assert!(decide(&rules, b"y").unwrap().ignored);
    }
}

#[test]
fn lines_have_the_limit_of_docker() {
    let longest = "a".repeat(64 * 1024 - 1);
    assert!(Rules::parse(format!("{longest}\nb").as_bytes()).is_ok());
    let error = Rules::parse(format!("b\n#{longest}").as_bytes()).unwrap_err();
    assert_eq!(error.line, 2);
}

#[test]
fn only_where_an_exception_may_hold_is_there_more_to_see() {
    let below = |file: &str, directory: &str| {
        let rules = Rules::parse(file.as_bytes()).unwrap();
        rules.may_keep_below(directory.as_bytes())
    };
    assert!(!below("*", "node_modules"));
    assert!(!below("*\n!keep", "node_modules"));
    assert!(!below("*\n!node_modules2/a", "node_modules"));
    assert!(below("*\n!keep/this/**\n!a", "keep"));
    assert!(below("*\n!keep/this/**", "keep/this"));
    assert!(!below("*\n!keep/this/**", "keep/this/one"));
    assert!(below("*\n!**/x", "node_modules"));
}

/// Pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn bytes(&mut self, alphabet: &[u8], most: usize) -> Vec<u8> {
        (0..self.below(most + 1))
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let alphabet = b"ab/.*?[]^-\\!#{}|()$+,:0129QEpdxzABn \t\n\r\xef\xbb\xbf\xff\xc3\xa9";
    let mut random = Random(7);
    let mut tried = 0;
    for _ in 0..20_000 {
        if let Ok(rules) = Rules::parse(&random.bytes(alphabet, 24)) {
            let path = random.bytes(alphabet, 24);
            tried += usize::from(decide(&rules, &path).is_ok());
            let _ = rules.may_keep_below(&path);
        }
    }
    assert!(tried > 5_000, "{tried}");
}

/// The time that this thread has computed, whatever else the machine does.
fn computing_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

#[test]
fn nothing_takes_long() {
    let started = computing_time();
    let path = "a/".repeat(2_000) + "b";
    for pattern in [
        "**/".repeat(1_000) + "c*",
        "*a".repeat(2_000),
        "a{1000}|".repeat(200) + "*c",
        "[a/]{0,1000}".repeat(200) + "c*",
        "[".to_owned() + &"[:".repeat(20_000) + "]",
        "{".repeat(60_000) + "*",
    ] {
        let rules = Rules::parse(pattern.as_bytes()).unwrap();
        let matches = rules.matches(path.as_bytes(), &Matches::default());
        assert!(!matches.is_ok_and(|matches| matches.ignored));
    }
    let many: String = (0..33_333)
        .map(|number| format!("**/x{number}*/[a-f]?.log\n!keep{number}\n*.{number}\n"))
        .collect();
    let rules = Rules::parse(many.as_bytes()).unwrap();
    for number in 0..10 {
        let path = format!("src/module{number}/file.rs");
        assert!(!decide(&rules, path.as_bytes()).unwrap().ignored);
    }
    let took = computing_time() - started;
    // An unoptimised build needs about two.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
