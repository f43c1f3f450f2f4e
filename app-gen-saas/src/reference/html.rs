//! The reference as a page: no script, nothing from elsewhere, and headings that lead through it.

use std::fmt::Write as _;

use crate::reference::block::Block;

/// Where the style of the page is; the policy of the page allows none within it.
pub(super) const STYLE_PATH: &str = "/api/reference.css";

/// The page of `blocks`.
pub(super) fn page(blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        add(block, &mut body);
        if let Block::Heading { level: 1, .. } = block {
            contents(blocks, &mut body);
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>The API of App-Gen</title>\n\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The list of the parts and their operations.
fn contents(blocks: &[Block], body: &mut String) {
    body.push_str("<nav aria-label=\"Contents\">\n<ul>\n");
    for block in blocks {
        if let Block::Heading {
            level: level @ 2..=3,
            anchor,
            text,
        } = block
        {
            let _ = writeln!(
                body,
                "<li class=\"level-{level}\"><a href=\"#{}\">{}</a></li>",
                escaped(anchor),
                escaped(text)
            );
        }
    }
    body.push_str("</ul>\n</nav>\n");
}

// Writing to a text cannot fail.
fn add(block: &Block, body: &mut String) {
    match block {
        Block::Heading {
            level,
            anchor,
            text,
        } => {
            let (anchor, text) = (escaped(anchor), escaped(text));
            let _ = writeln!(
                body,
                "<h{level} id=\"{anchor}\">{text} <a class=\"anchor\" href=\"#{anchor}\" \
                 aria-label=\"Link to {text}\">#</a></h{level}>"
            );
        }
        Block::Text(words) => {
            let _ = writeln!(body, "<p>{}</p>", inline(words));
        }
        Block::List(items) => {
            body.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(body, "<li>{}</li>", inline(item));
            }
            body.push_str("</ul>\n");
        }
        Block::Table { head, rows } => table(head, rows, body),
        Block::Code { label, text, .. } => {
            let _ = writeln!(
                body,
                "<figure><figcaption>{}</figcaption>\n<pre tabindex=\"0\"><code>{}</code></pre></figure>",
                escaped(label),
                escaped(text)
            );
        }
    }
}

fn table(head: &[&str], rows: &[Vec<String>], body: &mut String) {
    // A wide one is scrolled by itself, with the keyboard too.
    let label = head.first().copied().unwrap_or_default();
    let _ = write!(
        body,
        "<div class=\"wide\" role=\"region\" aria-label=\"Table by {}\" tabindex=\"0\">\n<table>\n<thead><tr>",
        escaped(label)
    );
    for cell in head {
        let _ = write!(body, "<th scope=\"col\">{}</th>", escaped(cell));
    }
    body.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        body.push_str("<tr>");
        for cell in row {
            let _ = write!(body, "<td>{}</td>", inline(cell));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</tbody>\n</table>\n</div>\n");
}

/// A text with code between backquotes and links within the page.
fn inline(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['`', '[']) {
        let (before, marked) = rest.split_at(start);
        html.push_str(&escaped(before));
        rest = match code(marked, &mut html).or_else(|| link(marked, &mut html)) {
            Some(after) => after,
            None => {
                // The mark is one byte, and means itself.
                html.push_str(&marked[..1]);
                &marked[1..]
            }
        };
    }
    html.push_str(&escaped(rest));
    html
}

/// Writes the code with which a text begins; gives what follows it.
fn code<'a>(text: &'a str, html: &mut String) -> Option<&'a str> {
    let (code, after) = text.strip_prefix('`')?.split_once('`')?;
    let _ = write!(html, "<code>{}</code>", escaped(code));
    Some(after)
}

/// Likewise a link.
fn link<'a>(text: &'a str, html: &mut String) -> Option<&'a str> {
    let (words, after) = text.strip_prefix('[')?.split_once("](#")?;
    let (anchor, after) = after.split_once(')')?;
    if words.contains('[') {
        return None;
    }
    let _ = write!(
        html,
        "<a href=\"#{}\">{}</a>",
        escaped(anchor),
        escaped(words)
    );
    Some(after)
}

/// A text as HTML that shows it, within an attribute too.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_says_is_shown_and_not_obeyed() {
        for (text, expected) in [
            ("a < b & \"c\"", "a &lt; b &amp; &quot;c&quot;"),
            ("see `<b>`, then", "see <code>&lt;b&gt;</code>, then"),
            ("a [Job](#data-Job).", "a <a href=\"#data-Job\">Job</a>."),
            ("[1] and [x](http://y)", "[1] and [x](http://y)"),
            ("an open ` and [", "an open ` and ["),
            ("[a [Job](#b)", "[a <a href=\"#b\">Job</a>"),
            ("é`ü`", "é<code>ü</code>"),
        ] {
            assert_eq!(inline(text), expected, "{text}");
        }
    }
}
