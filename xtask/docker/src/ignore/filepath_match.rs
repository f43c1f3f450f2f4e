//! What Docker finds wrong with a pattern before it tries any: it asks Go's
//! `filepath.Match` whether the path `.` matches, and looks only for an error.
//!
//! Go reads a pattern chunk by chunk, from star to star, and stops where one does not
//! match. It does not notice what is wrong behind that.

const UNCLOSED: &str = "a character class is not closed";

/// # Errors
/// `filepath.Match(pattern, ".")` fails.
pub(super) fn check(pattern: &[u8]) -> Result<(), &'static str> {
    let mut path = Path::Dot;
    let mut rest = pattern;
    while !rest.is_empty() {
        let (has_star, chunk, behind) = next_chunk(rest);
        if chunk.is_empty() {
            break;
        }
        let is_last = behind.is_empty();
        let fits = |left: &Path| *left == Path::Nothing || !is_last;
        // The star may match nothing, or all that is left.
        let mut left = match_chunk(chunk, path)?.filter(fits);
        if left.is_none() && has_star && path == Path::Dot {
            left = match_chunk(chunk, Path::Nothing)?.filter(fits);
        }
        match left {
            Some(left) => path = left,
            None => break,
        }
        rest = behind;
    }
    Ok(())
}

/// What is left of the path to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Dot,
    Nothing,
}

/// Whether stars come first, the text before the next star, and the rest.
fn next_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    let pattern = &pattern[stars..];
    let mut is_in_class = false;
    let mut end = 0;
    while let Some(&byte) = pattern.get(end) {
        match byte {
            b'\\' => end += 1,
            b'[' => is_in_class = true,
            b']' => is_in_class = false,
            b'*' if !is_in_class => break,
            _ => {}
        }
        end += 1;
    }
    let (chunk, behind) = pattern.split_at(end.min(pattern.len()));
    (stars > 0, chunk, behind)
}

/// What is left of the path behind the chunk, if it matches. Either way all of the
/// chunk is checked.
fn match_chunk(chunk: &[u8], path: Path) -> Result<Option<Path>, &'static str> {
    let mut left = Some(path);
    let mut rest = chunk;
    while let Some((&byte, tail)) = rest.split_first() {
        let has_dot;
        (has_dot, rest) = match byte {
            b'[' => match_class(tail)?,
            b'\\' => {
                let (&escaped, tail) = tail.split_first().ok_or("it ends with a backslash")?;
                (escaped == b'.', tail)
            }
            _ => (byte == b'.' || byte == b'?', tail),
        };
        left = left
            .filter(|&left| has_dot && left == Path::Dot)
            .map(|_| Path::Nothing);
    }
    Ok(left)
}

/// Whether a class has the dot in it, and what is behind the class.
fn match_class(class: &[u8]) -> Result<(bool, &[u8]), &'static str> {
    let is_negated = class.starts_with(b"^");
    let mut rest = &class[usize::from(is_negated)..];
    let mut has_dot = false;
    loop {
        let first;
        (first, rest) = class_character(rest)?;
        let mut last = first;
        if let Some(behind) = rest.strip_prefix(b"-") {
            (last, rest) = class_character(behind)?;
        }
        has_dot |= (first..=last).contains(&'.');
        if let Some(behind) = rest.strip_prefix(b"]") {
            return Ok((has_dot != is_negated, behind));
        }
    }
}

fn class_character(class: &[u8]) -> Result<(char, &[u8]), &'static str> {
    if let [b'-' | b']', ..] = class {
        return Err("a character class lacks a character before `-` or `]`");
    }
    let class = class.strip_prefix(b"\\").unwrap_or(class);
    let window = &class[..class.len().min(4)];
    let chunk = window.utf8_chunks().next().ok_or(UNCLOSED)?;
    let first = chunk.valid().chars().next();
    let first = first.ok_or("a character class is not UTF-8")?;
    Ok((first, &class[first.len_utf8()..]))
}
