//! Recordings cut, mixed and altered at random: nothing panics, nothing is lost, nothing is invented.

use crate::recordings::{end, names, play};
use app_gen_agent::{Exit, Lines, Verdict};
use app_gen_contract::Activity;
use std::fs;
use std::path::Path;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/recorded");
    let read = |name: String| {
        let bytes = fs::read(folder.join(format!("{name}.jsonl"))).unwrap();
        (name, bytes)
    };
    names().into_iter().map(read).collect()
}

#[test]
fn lines_are_the_same_wherever_the_bytes_are_cut() {
    let mut dice = Dice(1);
    for (name, bytes) in recordings() {
        let whole = Lines::default().push(&bytes);
        for _ in 0..20 {
            let mut lines = Lines::default();
            let mut all = Vec::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, next) = rest.split_at(dice.below(rest.len().min(400)) + 1);
                all.extend(lines.push(piece));
                rest = next;
            }
            assert_eq!(all, whole, "{name}");
        }
    }
}

#[test]
fn a_recording_that_is_cut_anywhere_is_not_done() {
    for name in ["claude-done", "claude-resumed", "codex-done"] {
        let (_, bytes) = recordings()
            .into_iter()
            .find(|(other, _)| other == name)
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let text = text.trim_end();
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let (reader, _) = play(name, &text[..cut]);
            let verdict = reader.verdict(&end(0));
            assert_ne!(verdict, Verdict::Completed, "{name} {cut}");
        }
    }
}

#[test]
fn any_order_and_any_noise_is_read() {
    let recordings = recordings();
    let lines: Vec<&[u8]> = recordings
        .iter()
        .flat_map(|(_, bytes)| bytes.split(|byte| *byte == b'\n'))
        .filter(|line| !line.is_empty())
        .collect();
    let mut dice = Dice(2);
    for round in 0..2_000 {
        let mut text = Vec::new();
        for _ in 0..dice.below(20) {
            let mut line = lines[dice.below(lines.len())].to_vec();
            match dice.below(6) {
                0 => line.truncate(dice.below(line.len())),
                1 => {
                    for _ in 0..dice.below(10) {
                        let at = dice.below(line.len());
                        line[at] = dice.next().to_le_bytes()[0];
                    }
                }
                2 => line = vec![dice.next().to_le_bytes()[0]; dice.below(300)],
                3 => line = format!("{}1{}", "[".repeat(500), "]".repeat(500)).into_bytes(),
                _ => {}
            }
            text.extend(line);
            text.push(b'\n');
        }
        let text = String::from_utf8_lossy(&text);
        for name in ["claude", "codex"] {
            let (reader, activities) = play(name, &text);
            // Each line that holds anything says something.
            let said = text.lines().filter(|line| !line.trim().is_empty()).count();
            assert!(said == 0 || !activities.is_empty(), "{round}: {text}");
            for code in [0, 1] {
                reader.verdict(&end(code));
            }
            let mut killed = end(0);
            killed.exit = Some(Exit::Signal(9));
            reader.verdict(&killed);
        }
    }
}

#[test]
fn what_is_not_known_is_kept_and_no_error() {
    let strange = [
        "not json",
        "{\"type\":\"brand_new\",\"number\":1}",
        "{\"type\":\"system\",\"subtype\":\"brand_new\"}",
        "{\"type\":\"item.completed\",\"item\":{\"type\":\"brand_new\"}}",
        "[1,2]",
        "null",
    ];
    for (name, done) in [("claude", "claude-done"), ("codex", "codex-done")] {
        let (_, bytes) = recordings()
            .into_iter()
            .find(|(other, _)| other == done)
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for strange in strange {
            // In front of each line, and never after the last word.
            let mixed: String = text
                .lines()
                .map(|line| format!("{strange}\n{line}\n"))
                .collect();
            let (reader, activities) = play(name, &mixed);
            assert_eq!(reader.verdict(&end(0)), Verdict::Completed, "{strange}");
            let kept = activities
                .iter()
                .filter(|activity| {
                    matches!(activity, Activity::Unknown { line } if line.text == strange)
                })
                .count();
            assert_eq!(kept, text.lines().count(), "{name} {strange}");
        }
    }
}
