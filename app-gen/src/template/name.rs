//! A name for an application, from what a person asked for.

const FALLBACK_NAME: &str = "My application";
const MAX_NAME_CHARS: usize = 40;
const MAX_NAME_WORDS: usize = 6;
const MAX_SLUG_CHARS: usize = 50;

/// Words that introduce a request and are not part of the application's name.
const LEADING_WORDS: [&str; 45] = [
    "a",
    "an",
    "and",
    "app",
    "application",
    "basic",
    "build",
    "can",
    "could",
    "create",
    "design",
    "develop",
    "for",
    "generate",
    "i",
    "i'd",
    "like",
    "make",
    "me",
    "my",
    "need",
    "of",
    "our",
    "page",
    "please",
    "program",
    "simple",
    "site",
    "small",
    "that",
    "the",
    "to",
    "tool",
    "us",
    "want",
    "we",
    "web",
    "web-app",
    "webapp",
    "website",
    "where",
    "which",
    "with",
    "would",
    "you",
];

/// Words after which the description goes into details.
const DETAIL_WORDS: [&str; 7] = ["so", "that", "where", "which", "who", "whose", "with"];

/// Words that a name cannot end with.
const LOOSE_ENDS: [&str; 20] = [
    "a", "about", "an", "and", "at", "by", "called", "for", "from", "in", "is", "my", "of", "on",
    "or", "our", "the", "their", "to", "your",
];

/// A short name in the description's own words: its first sentence without the words of the request.
pub(super) fn display_name(description: &str) -> String {
    let mut name = String::new();
    for word in title_words(description).into_iter().take(MAX_NAME_WORDS) {
        let separator = if name.is_empty() { "" } else { " " };
        if name.chars().count() + separator.len() + word.chars().count() > MAX_NAME_CHARS {
            break;
        }
        name.push_str(separator);
        name.push_str(&word);
    }
    let mut characters = without_loose_end(&name).chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => FALLBACK_NAME.to_owned(),
    }
}

/// A name that was cut does not end with a word that leads to the next one: "Shopping list for the".
fn without_loose_end(name: &str) -> &str {
    let mut name = name;
    while let Some((start, last)) = name.rsplit_once(' ')
        && LOOSE_ENDS.contains(&&*last.to_lowercase())
    {
        name = start;
    }
    name
}

/// The words that say what is wanted: those of the first sentence, without those of the request before
/// them and the details behind them.
pub(super) fn title_words(description: &str) -> Vec<String> {
    let lower = |word: &String| word.to_lowercase();
    first_sentence(description)
        .split_whitespace()
        .map(clean_word)
        .filter(|word| !word.is_empty())
        .skip_while(|word| LEADING_WORDS.contains(&lower(word).as_str()))
        .take_while(|word| !DETAIL_WORDS.contains(&lower(word).as_str()))
        .collect()
}

/// Up to the first line break, or the first mark that ends a sentence or begins a list.
fn first_sentence(description: &str) -> &str {
    let text = description.trim_start();
    let mut characters = text.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        let before_space = characters
            .peek()
            .is_none_or(|(_, next)| next.is_whitespace());
        let ends = match character {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '。' | '！' | '？' | '؟' | '।' => true,
            // "Node.js" and "3:1" do not end a sentence.
            '.' | '!' | '?' | ':' | ';' | ',' => before_space,
            _ => false,
        };
        if ends {
            return &text[..position];
        }
    }
    text
}

/// The word without quotes, brackets, markup and invisible characters.
pub(super) fn clean_word(word: &str) -> String {
    let kept = |character: &char| {
        let invisible = character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        let punctuation = character.is_ascii_punctuation()
            && !matches!(character, '-' | '&' | '+' | '#' | '\'' | '.');
        !invisible && !punctuation && !matches!(character, '“' | '”' | '„' | '«' | '»' | '‘')
    };
    let word: String = word.chars().filter(kept).take(MAX_NAME_CHARS).collect();
    word.trim_matches(['-', '\'', '.']).to_owned()
}

/// A package name: `[a-z0-9-]`, ending in `-app`, so that it is neither a package this application
/// depends on nor a module of Node.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == MAX_SLUG_CHARS {
            break;
        }
    }
    let slug = slug.trim_end_matches('-').trim_end_matches("-app");
    let slug = if slug.is_empty() || slug == "app" {
        "generated"
    } else {
        slug
    };
    format!("{slug}-app")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_thing_wanted() {
        for (description, name) in [
            ("Build me a simple to-do list app", "To-do list app"),
            ("A shop for used books, with a cart", "Shop for used books"),
            (
                "I want an app that tracks my plants and waters them",
                "Tracks my plants and waters them",
            ),
            (
                "Create a recipe box where my family can add recipes",
                "Recipe box",
            ),
            (
                "A shopping list called \"Market day\" for two & more <people>",
                "Shopping list called Market day",
            ),
            ("please build a web application", FALLBACK_NAME),
            ("<script>alert('x')</script>", "Scriptalert'x'script"),
            ("\"Quoted\" `name`: details", "Quoted name"),
            ("a Node.js dashboard. And more", "Node.js dashboard"),
            (
                "ein Kalender für Müllabfuhr\nmit Erinnerung",
                "Ein Kalender für Müllabfuhr",
            ),
            ("قائمة المشتريات", "قائمة المشتريات"),
            ("買い物リスト。共有できる", "買い物リスト"),
            ("🚀 launch tracker", "🚀 launch tracker"),
            ("... !!! ???", FALLBACK_NAME),
            ("\u{202e}\u{200b}", FALLBACK_NAME),
        ] {
            assert_eq!(display_name(description), name, "{description:?}");
        }
        assert_eq!(
            display_name(&"x".repeat(4000)).chars().count(),
            MAX_NAME_CHARS
        );
        assert!(display_name(&"word ".repeat(800)).chars().count() <= MAX_NAME_CHARS);
    }

    #[test]
    fn slugs_are_package_names() {
        for (name, expected) in [
            ("To-do list app", "to-do-list-app"),
            ("React", "react-app"),
            ("App", "generated-app"),
            ("買い物リスト", "generated-app"),
            ("Müll & more!", "m-ll-more-app"),
            ("http", "http-app"),
        ] {
            assert_eq!(slug(name), expected);
        }
        assert!(slug(&"long ".repeat(40)).len() <= MAX_SLUG_CHARS + 4);
    }
}
