use super::*;
use crate::canned::Canned;
use serde_json::{Value, json};

fn line(time_ms: i64, id: &str) -> Value {
    json!({ "logStreamName": "ecs/app/task", "eventId": id, "timestamp": time_ms, "message": id })
}

fn page(lines: &[Value], token: Option<&str>) -> (u16, String) {
    let page = json!({ "events": lines, "nextToken": token });
    (200, page.to_string())
}

fn source(name: &str) -> Source {
    Source {
        name: name.to_owned(),
        group: format!("/ecs/{name}"),
        stream: None,
    }
}

fn reader(canned: &Canned, names: &[&str], follows: bool) -> Reader {
    let sources = names.iter().map(|name| source(name)).collect();
    Reader::new(Logs::new(&canned.config()), sources, 0, follows)
}

async fn pass(reader: &mut Reader) -> Vec<String> {
    // The pause between passes is not what is tested.
    (reader.pass_began, reader.called) = (None, None);
    reader.begin_pass().await;
    let mut told = Vec::new();
    while let Some(line) = reader.next().await.expect("a line") {
        reader.called = None;
        told.push(line.id);
    }
    told
}

#[tokio::test]
async fn every_line_is_told_once_and_late_ones_too() {
    let now = now_ms();
    let canned = Canned::new([
        page(&[line(now - 3, "a"), line(now - 2, "b")], None),
        page(
            &[line(now - 3, "a"), line(now - 2, "b"), line(now - 1, "d")],
            None,
        ),
        page(
            &[
                line(now - 4, "late"),
                line(now - 3, "a"),
                line(now - 2, "b"),
                line(now - 1, "d"),
            ],
            None,
        ),
    ]);
    let mut reader = reader(&canned, &["app"], true);
    assert_eq!(pass(&mut reader).await, ["a", "b"]);
    assert_eq!(pass(&mut reader).await, ["d"]);
    assert_eq!(pass(&mut reader).await, ["late"]);
    let starts: Vec<i64> = canned
        .requests()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_str(&request.body).expect("JSON");
            body["startTime"].as_i64().expect("a time")
        })
        .collect();
    assert_eq!(starts[0], 0);
    let back = starts[1] - now;
    assert!((-OVERLAP_MS..-OVERLAP_MS + 5_000).contains(&back), "{back}");
}

#[tokio::test]
async fn empty_pages_with_a_token_are_not_the_end() {
    let canned = Canned::new([
        page(&[], Some("one")),
        page(&[line(1, "a")], Some("two")),
        page(&[line(2, "b")], None),
    ]);
    let mut reader = reader(&canned, &["app"], false);
    assert_eq!(pass(&mut reader).await, ["a", "b"]);
    let bodies = canned.requests();
    assert!(bodies[1].body.contains("\"nextToken\":\"one\""));
    assert!(bodies[2].body.contains("\"nextToken\":\"two\""));
}

#[tokio::test]
async fn a_full_page_without_a_token_is_not_the_end() {
    let first: Vec<Value> = (0..PAGE_LINES)
        .map(|number| {
            line(
                i64::try_from(number / 2).expect("small"),
                &number.to_string(),
            )
        })
        .collect();
    let last_ms = i64::try_from((PAGE_LINES - 1) / 2).expect("small");
    let again = [first[PAGE_LINES - 2].clone(), first[PAGE_LINES - 1].clone()];
    let more = [
        &again[..],
        &[line(last_ms, "same"), line(last_ms + 1, "next")],
    ]
    .concat();
    let canned = Canned::new([page(&first, None), page(&more, None)]);
    let mut reader = reader(&canned, &["app"], false);
    let told = pass(&mut reader).await;
    assert_eq!(told.len(), PAGE_LINES + 2);
    assert_eq!(told[PAGE_LINES..], ["same", "next"]);
    let body: Value = serde_json::from_str(&canned.requests()[1].body).expect("JSON");
    assert_eq!(body["startTime"], json!(last_ms));
}

#[tokio::test]
async fn several_groups_are_told_in_the_order_of_time() {
    let missing = json!({ "__type": "ResourceNotFoundException", "message": "no group" });
    let canned = Canned::new([
        page(&[line(1, "a"), line(4, "d")], None),
        page(&[line(2, "b"), line(3, "c"), line(5, "e")], None),
        (400, missing.to_string()),
    ]);
    let mut reader = reader(&canned, &["one", "two", "none"], false);
    assert_eq!(pass(&mut reader).await, ["a", "b", "c", "d", "e"]);
    assert!(reader.found_any());
}

#[test]
fn what_is_remembered_is_bounded_by_the_window() {
    let mut cursor = Cursor {
        source: source("app"),
        since_ms: 0,
        start_ms: 0,
        end_ms: None,
        token: None,
        is_done: false,
        lines: VecDeque::new(),
        complete_ms: None,
        seen: Seen::default(),
        exists: false,
    };
    let rate = 1_000;
    for second in 0..300 {
        let lines = (0..rate)
            .map(|number| GroupLine {
                stream: "s".to_owned(),
                id: format!("{second}-{number}"),
                time_ms: second * 1_000 + number,
                message: String::new(),
            })
            .collect();
        cursor.accept(lines, None, second * 1_000 + 999, true);
        cursor.lines.clear();
        cursor.begin(LATE_MS, None);
        assert!(cursor.start_ms >= cursor.seen.forgotten_before_ms());
    }
    let window = usize::try_from(LATE_MS / 1_000 * rate).expect("small");
    assert!(cursor.seen.len() <= window + 1, "{}", cursor.seen.len());
}

#[tokio::test]
async fn one_who_asks_too_often_waits_and_asks_again() {
    let throttled = json!({ "__type": "ThrottlingException", "message": "Rate exceeded" });
    let canned = Canned::new([
        (400, throttled.to_string()),
        (400, throttled.to_string()),
        page(&[line(1, "a")], None),
    ]);
    let mut reader = reader(&canned, &["app"], false);
    assert_eq!(pass(&mut reader).await, ["a"]);
}
