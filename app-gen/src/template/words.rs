//! The words of a description: as they are compared, and as sample data.

use crate::template::name::clean_word;

const MAX_SAMPLES: usize = 6;
const MAX_SAMPLE_WORDS: usize = 3;
const MAX_SAMPLE_CHARS: usize = 40;

/// A word without the endings of the plural and of verbs, so that "votes", "voting" and "vote" are one.
/// Not fit to be shown: "vot".
pub(super) fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    let word = word
        .trim_end_matches(['\'', '’'])
        .trim_end_matches("'s")
        .trim_end_matches("’s");
    let word = match word {
        _ if word.len() < 4 || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) => {
            word.to_owned()
        }
        _ => singular(word),
    };
    // What is a thing of its own: a booking is no book, and who boards dogs needs no board.
    match &*word {
        "booking" | "booked" => return "booking".to_owned(),
        "boarding" | "stocking" => return word,
        _ => {}
    }
    let root = ["ing", "ed"]
        .iter()
        .filter_map(|end| word.strip_suffix(end))
        .find(|root| root.chars().count() >= 3 && root.contains(['a', 'e', 'i', 'o', 'u', 'y']));
    let root = root.map_or(&*word, single_end);
    match root.strip_suffix('e') {
        Some(rest) if rest.chars().count() >= 3 => rest.to_owned(),
        _ => root.to_owned(),
    }
}

fn singular(word: &str) -> String {
    if let Some(start) = word.strip_suffix("ies") {
        return format!("{start}y");
    }
    for end in ["sses", "xes", "ches", "shes"] {
        if word.ends_with(end) {
            return word.trim_end_matches("es").to_owned();
        }
    }
    word.trim_end_matches('s').to_owned()
}

/// "planning" has lost "ing", and its second n does not belong to "plan"; that of "polling" does.
fn single_end(root: &str) -> &str {
    let mut characters = root.chars().rev();
    match (characters.next(), characters.next()) {
        (Some(last), Some(before))
            if last == before && last.is_ascii_alphabetic() && !"lsz".contains(last) =>
        {
            &root[..root.len() - 1]
        }
        _ => root,
    }
}

/// The parts of a description that punctuation separates, each as its words.
pub(super) fn clauses(description: &str) -> Vec<Vec<&str>> {
    let mut clauses = Vec::new();
    for part in description.split(ends_clause) {
        let mut clause = Vec::new();
        for word in part.split_whitespace() {
            clause.push(word);
            // "Node.js" does not end a sentence, and neither does "3:1".
            if word.ends_with(['.', ':', '?']) || word == "-" {
                clauses.push(std::mem::take(&mut clause));
            }
        }
        clauses.push(clause);
    }
    clauses.retain(|clause| !clause.is_empty());
    clauses
}

fn ends_clause(character: char) -> bool {
    const SIGNS: &str = ",;/!()[]{}<>\"“”„«»|–—…、。，！？：；،؛؟।\n\r\u{2028}\u{2029}";
    SIGNS.contains(character)
}

/// What is talked about in a description, as sample data: short phrases in its own words, without those
/// that ask for an application or say what it shall do.
pub(super) fn samples(description: &str) -> Vec<String> {
    let clauses = clauses(description);
    // What follows a colon or a question is what they are about: "A poll: what do we eat? Soup, salad".
    let ends_with = |clause: &Vec<&str>, end| clause.last().is_some_and(|word| word.ends_with(end));
    let colon = clauses.iter().position(|clause| ends_with(clause, ':'));
    let question = clauses.iter().rposition(|clause| ends_with(clause, '?'));
    let name_clauses = colon.max(question).map_or(0, |last| last + 1);
    let mut names = Vec::new();
    let mut others = Vec::new();
    for (index, clause) in clauses.into_iter().enumerate() {
        let words: Vec<String> = clause.into_iter().map(clean_word).collect();
        let mut linked = false;
        for part in words.chunk_by(|one, other| is_no_sample(one) == is_no_sample(other)) {
            if is_no_sample(&part[0]) {
                linked |= part
                    .iter()
                    .any(|word| LINKS.contains(&&*word.to_lowercase()));
                continue;
            }
            let is_name = index < name_clauses || (index == 0 && !linked);
            let found = part.chunks(MAX_SAMPLE_WORDS).filter_map(phrase);
            if is_name { &mut names } else { &mut others }.extend(found);
            linked = true;
        }
    }
    // What all of it is about is no example of it, unless nothing else is said.
    if others.len() < 2 {
        others.splice(..0, names);
    }
    let mut samples: Vec<String> = Vec::new();
    for sample in others {
        let same = |other: &String| other.to_lowercase() == sample.to_lowercase();
        if samples.len() < MAX_SAMPLES && !samples.iter().any(same) {
            samples.push(sample);
        }
    }
    samples
}

/// The words as one text that begins with a capital, if they are more than signs.
fn phrase(words: &[String]) -> Option<String> {
    let text: String = words.join(" ").chars().take(MAX_SAMPLE_CHARS).collect();
    let text = text.trim_matches(|character: char| !character.is_alphanumeric());
    if !text.chars().any(char::is_alphabetic) || text.len() < 2 {
        return None;
    }
    let mut characters = text.chars();
    let first = characters.next()?;
    Some(first.to_uppercase().chain(characters).collect())
}

fn is_no_sample(word: &str) -> bool {
    let word = word.to_lowercase();
    word.is_empty() || NO_SAMPLES.split(' ').any(|other| other == word)
}

/// Words between the name of an application and what it is for.
const LINKS: [&str; 14] = [
    "about", "at", "for", "from", "in", "of", "on", "so", "that", "to", "where", "which", "who",
    "with",
];

/// Words that hold a sentence together, ask for something, or name a kind of application.
const NO_SAMPLES: &str = "\
    a able about across add added adding after again all allow allows along also always am an \
    and any anybody anyone app application are around as ask at available away back based basic \
    be because before being best between big board boards book booked booking bookings both \
    build but by calendar calendars called can cannot category change check checklist choose \
    clear click come comes could create date delete design develop different do does doing done \
    down drag during each easily easy edit either enough etc every everybody everyone everything \
    fast few filter find first for from full generate get gets give given go goes good had has \
    have having he help helps her here him his how however i i'd i'll i'm i've if in inside \
    instead into inventory is it it's its just kanban keep keeps kind know large last later let \
    lets like list lists little look made make makes manage managed many mark may me might mine \
    more most much must my name named need needs never new next nice no nobody none nor not note \
    notes nothing now of off often old on once one ones only open or order organise organize \
    other others our ours out over overview own page per perhaps plan planning please plus poll \
    polls pretty priority program quick quickly quite rather read ready really remind remove \
    reservation reservations reserve same save scale schedule search see send several share \
    shared should show shows simple since sit site small so some somebody someone something soon \
    sort start stay still stock store such survey surveys tag tags take takes tell than that the \
    their them then there these they this those three tick ticks time titled to to-do todo \
    together too tool track tracker tracking tracks two under until up upon us use used useful \
    user users using very via view vote voted votes voting want wanted wants was way we web \
    web-app webapp website well were what when where whether which while who whole whose why \
    will with within without work works would write yes yet you your";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["vote", "votes", "voting", "voted", "Votes'", "vote's"][..],
            &["note", "notes", "NOTES"],
            &["schedule", "schedules", "scheduling", "scheduled"],
            &["reserve", "reserves", "reserving", "reserved"],
            &["plan", "plans", "planning", "planned"],
            &["poll", "polls", "polling", "polled"],
            &["tag", "tags", "tagging", "tagged"],
            &["diary", "diaries"],
            &["box", "boxes"],
            &["batch", "batches"],
            &["booking", "bookings", "booked"],
            &["survey", "surveys", "survey’s"],
        ] {
            let stems: Vec<String> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|other| *other == stems[0]), "{stems:?}");
        }
        for (one, other) in [
            ("book", "booking"),
            ("board", "boarding"),
            ("stock", "stockings"),
            ("status", "statue"),
            ("list", "listen"),
            ("poll", "pollen"),
            ("tag", "stage"),
        ] {
            assert_ne!(stem(one), stem(other));
        }
        for odd in [
            "", "s", "ies", "ing", "ed", "'s", "''", "ß", "éé", "投票", "🚀ing", "ss",
        ] {
            // Only that it ends, and cuts no character in two.
            stem(odd);
        }
    }

    #[test]
    fn samples_are_what_is_talked_about() {
        for (description, expected) in [
            (
                "A shopping list for milk, oat flakes and bread",
                &["Milk", "Oat flakes", "Bread"][..],
            ),
            (
                "A recipe box: save recipes with ingredients and tags, search them <b>fast</b> & scale the amounts.",
                &["Recipes", "Ingredients", "Amounts"],
            ),
            (
                "Kanban board for a wedding: venue, cake/flowers, invitations",
                &["Venue", "Cake", "Flowers", "Invitations"],
            ),
            (
                "A shopping list called \"Market day\" for two & more <people>: milk & honey, eggs",
                &["Milk & honey", "Eggs"],
            ),
            (
                "Inventory of a workshop, with search: screws, nails",
                &["Screws", "Nails"],
            ),
            (
                "A poll: where do we go for lunch? Pizza, sushi or the canteen",
                &["Pizza", "Sushi", "Canteen"],
            ),
            ("What is in my freezer?", &["Freezer"]),
            ("a poll", &[]),
            ("Plant diary", &["Plant diary"]),
            ("Tea, tea, TEA and coffee", &["Tea", "Coffee"]),
            ("... !!! ??? -- 1 2 3", &[]),
            (
                "買い物リスト。共有できる。卵、牛乳",
                &["共有できる", "卵", "牛乳"],
            ),
        ] {
            assert_eq!(samples(description), expected, "{description:?}");
        }
    }

    #[test]
    fn samples_are_few_short_and_harmless() {
        let long = "x".repeat(4000);
        let many: String = (0..500).map(|number| format!("thing{number}, ")).collect();
        for description in [
            &*long,
            &*many,
            &"word ".repeat(800),
            "</script><script>alert(1)</script>",
            "\u{202e}\u{0}a\u{7f}b",
        ] {
            let samples = samples(description);
            assert!(samples.len() <= MAX_SAMPLES);
            for sample in samples {
                assert!(sample.chars().count() <= MAX_SAMPLE_CHARS, "{sample}");
                assert!(
                    !sample.contains(['<', '>', '\u{202e}', '\u{0}']),
                    "{sample}"
                );
            }
        }
    }

    #[test]
    fn the_words_that_are_no_sample_are_sorted() {
        assert!(NO_SAMPLES.split(' ').is_sorted());
        assert!(NO_SAMPLES.split(' ').all(|word| !word.is_empty()));
    }
}
