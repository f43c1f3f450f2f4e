//! Makes a case smaller for as long as it still shows its difference.

use crate::case::{Case, Node};

/// Each attempt is a build.
const ATTEMPTS: usize = 300;

/// The smallest case found that is still `wrong`.
pub(crate) fn shrink(case: &Case, wrong: impl Fn(&Case) -> bool) -> Case {
    let mut smallest = case.clone();
    let mut attempts = 0;
    loop {
        let next = smaller(&smallest).into_iter().find(|candidate| {
            attempts += 1;
            attempts <= ATTEMPTS && wrong(candidate)
        });
        match next {
            Some(next) => smallest = next,
            None => return smallest,
        }
    }
}

/// All cases one step smaller, the largest steps first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut candidates = Vec::new();
    for path in case.tree.keys() {
        let mut candidate = case.clone();
        let below = [path.as_slice(), b"/"].concat();
        candidate
            .tree
            .retain(|other, _| other != path && !other.starts_with(&below));
        candidates.push(candidate);
    }
    for (path, node) in &case.tree {
        let Node::File(_, bytes) = node else { continue };
        if !path.ends_with(b".dockerignore") {
            continue;
        }
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let without_line = (0..lines.len()).map(|skipped| {
            let kept = lines.iter().enumerate();
            kept.filter(|&(index, _)| index != skipped)
                .flat_map(|(_, line)| line.iter().copied())
                .collect::<Vec<u8>>()
        });
        let without_byte =
            (0..bytes.len()).map(|skipped| [&bytes[..skipped], &bytes[skipped + 1..]].concat());
        for fewer in without_line.chain(without_byte) {
            let mut candidate = case.clone();
            candidate.tree.insert(path.clone(), Node::File(None, fewer));
            candidates.push(candidate);
        }
    }
    candidates
}
