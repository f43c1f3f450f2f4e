use super::*;
use crate::usage::Usage;
use flate2::Compression;
use flate2::write::GzEncoder;

const ANTHROPIC: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-opus-5-5\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":20,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,\"ephemeral_1h_input_tokens\":20},\"output_tokens\":1}}}\n\n\
    : a comment\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße 🌱 \\\"usage\\\":{\\\"input_tokens\\\":99999}\"}}\n\n\
    event: new_in_december\ndata: {\"type\":\"new_in_december\",\"usage\":{\"input_tokens\":5000000}}\n\n\
    data: this is no JSON\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":40,\"input_tokens\":null}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

const OPENAI: &str = "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-6-sol\",\"usage\":null}}\r\n\r\n\
    data: {\"type\":\"response.output_text.delta\",\"delta\":\"Grüße 🌱\"}\r\n\r\n\
    data: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-6-sol\",\"output\":[{\"usage\":{\"input_tokens\":7}}],\"error\":null,\"usage\":\r\n\
    data: {\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":60,\"cache_write_tokens\":30},\"output_tokens\":50,\"output_tokens_details\":{\"reasoning_tokens\":20}}}}\r\n\r\n\
    data: [DONE]\r\n\r\n";

fn known(protocol: Protocol, form: Form, coding: Option<&str>, pieces: &[&[u8]]) -> Known {
    let mut meter = Meter::new(protocol, form, coding);
    for piece in pieces {
        meter.read(piece);
    }
    meter.end();
    meter.known().clone()
}

fn streamed(protocol: Protocol, text: &str) -> Known {
    known(protocol, Form::Events, None, &[text.as_bytes()])
}

/// Pseudo-random numbers (`SplitMix64`), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn pieces<'a>(&mut self, mut rest: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = 1 + self.below(60);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + self.below(longest)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}

#[test]
fn a_stream_of_anthropic_is_counted() {
    let known = streamed(Protocol::Anthropic, ANTHROPIC);
    let expected = Usage {
        input: 10,
        cache_read: 20,
        cache_write: 10,
        cache_write_long: 20,
        output: 40,
        thinking: 0,
    };
    assert_eq!(known.usage, expected);
    assert_eq!(known.model.as_deref(), Some("claude-opus-5-5"));
    assert!(known.is_whole && known.error.is_none());
}

#[test]
fn a_stream_of_openai_is_counted() {
    let known = streamed(Protocol::OpenAi, OPENAI);
    let expected = Usage {
        input: 10,
        cache_read: 60,
        cache_write: 30,
        cache_write_long: 0,
        output: 50,
        thinking: 20,
    };
    assert_eq!(known.usage, expected);
    assert_eq!(known.model.as_deref(), Some("gpt-6-sol"));
    assert_eq!(known.said_bytes, "Grüße 🌱".len() as u64);
    assert!(known.is_whole && known.error.is_none());
}

#[test]
fn where_a_stream_was_cut_into_pieces_makes_no_difference() {
    let mut random = Random(1);
    for (protocol, text) in [(Protocol::Anthropic, ANTHROPIC), (Protocol::OpenAi, OPENAI)] {
        let bytes = text.as_bytes();
        let whole = streamed(protocol, text);
        for at in 0..bytes.len() {
            let (start, end) = bytes.split_at(at);
            let cut = known(protocol, Form::Events, None, &[start, end]);
            assert_eq!(cut, whole, "{protocol:?} cut at {at}");
        }
        for _ in 0..500 {
            let pieces = random.pieces(bytes);
            assert_eq!(known(protocol, Form::Events, None, &pieces), whole);
        }
    }
}

#[test]
fn a_stream_that_breaks_is_known_up_to_there() {
    for (protocol, text) in [(Protocol::Anthropic, ANTHROPIC), (Protocol::OpenAi, OPENAI)] {
        let whole = streamed(protocol, text);
        let mut before = Known::default();
        for at in 0..text.len() {
            let cut = known(protocol, Form::Events, None, &[&text.as_bytes()[..at]]);
            assert!(cut.usage.total() >= before.usage.total(), "{at}");
            assert!(cut.usage.total() <= whole.usage.total(), "{at}");
            assert!(!before.is_whole || cut.is_whole, "{at}");
            before = cut;
        }
        // All but the line feeds at the end.
        let last = text.trim_end().len();
        let unended = known(protocol, Form::Events, None, &[&text.as_bytes()[..last]]);
        assert_eq!(unended, whole);
    }
    // The input is known when the answer begins, and the output is not.
    let cut = streamed(
        Protocol::Anthropic,
        ANTHROPIC.split_once("event: message_delta").unwrap().0,
    );
    assert_eq!(
        (cut.usage.input, cut.usage.output, cut.is_whole),
        (10, 1, false)
    );
    assert!(cut.said_bytes > 0);
}

#[test]
fn an_error_in_a_stream_is_told() {
    let start = ANTHROPIC.split_once(": a comment").unwrap().0;
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let known = streamed(Protocol::Anthropic, &format!("{start}{error}"));
    assert_eq!(known.error.as_deref(), Some("overloaded_error"));
    assert_eq!((known.usage.cache_read, known.is_whole), (20, false));
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"type\":\"x\"},\"usage\":null}}\n\n";
    let known = streamed(Protocol::OpenAi, failed);
    assert_eq!(known.error.as_deref(), Some("rate_limit_exceeded"));
    let top = "data: {\"type\":\"error\",\"code\":\"server_is_overloaded\",\"message\":\"\"}\n\n";
    assert_eq!(
        streamed(Protocol::OpenAi, top).error.as_deref(),
        Some("server_is_overloaded")
    );
}

#[test]
fn an_event_that_is_no_whole_json_counts_nothing() {
    let (start, end) = ANTHROPIC.split_once("event: message_stop").unwrap();
    for noise in [
        "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":777}\n\n",
        "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":777}}}\n\n",
        "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":777}} and more\n\n",
    ] {
        let text = format!("{start}{noise}event: message_stop{end}");
        let known = streamed(Protocol::Anthropic, &text);
        assert_eq!(known, streamed(Protocol::Anthropic, ANTHROPIC), "{noise}");
    }
}

#[test]
fn whole_objects_are_counted_when_they_are_whole() {
    let message = "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}";
    let (start, end) = message.as_bytes().split_at(80);
    let read = |pieces: &[&[u8]]| known(Protocol::Anthropic, Form::Object, None, pieces);
    let whole = read(&[start, end]);
    assert_eq!(
        (whole.usage.input, whole.usage.output, whole.is_whole),
        (3, 4, true)
    );
    assert_eq!(read(&[start]).usage, Usage::default());
    let limit = br#"{"error":{"type":"usage_limit_reached","resets_in_seconds":20,"resets_at":1800000000}}"#;
    let limit = known(Protocol::OpenAi, Form::Object, None, &[limit]);
    assert_eq!(limit.error.as_deref(), Some("usage_limit_reached"));
    assert_eq!(
        (limit.reset, limit.is_whole),
        (Some(Reset::At(1_800_000_000)), false)
    );
}

#[test]
fn a_compressed_stream_is_counted_as_it_comes() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(ANTHROPIC.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let whole = streamed(Protocol::Anthropic, ANTHROPIC);
    let mut random = Random(2);
    for _ in 0..100 {
        let pieces = random.pieces(&bytes);
        assert_eq!(
            known(Protocol::Anthropic, Form::Events, Some("gzip"), &pieces),
            whole
        );
    }
    let half = &bytes[..bytes.len() / 2];
    let noise = [half, b"noise", &bytes].concat();
    for pieces in [[half].as_slice(), &[&noise], &[ANTHROPIC.as_bytes()]] {
        let known = known(Protocol::Anthropic, Form::Events, Some("gzip"), pieces);
        assert!(!known.is_whole || known == whole);
    }
    let unknown = known(Protocol::Anthropic, Form::Events, Some("br"), &[&bytes]);
    assert_eq!(unknown, Known::default());
}

#[test]
fn noise_never_panics_and_never_counts_more_than_any_answer_takes() {
    let mut random = Random(3);
    for (protocol, text) in [(Protocol::Anthropic, ANTHROPIC), (Protocol::OpenAi, OPENAI)] {
        for _ in 0..3000 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                    2 => drop(bytes.splice(at..at, *b"99999999999999999999")),
                    _ => {
                        let other = random.below(bytes.len());
                        bytes.swap(at, other);
                    }
                }
            }
            for form in [Form::Events, Form::Object] {
                let pieces = random.pieces(&bytes);
                let in_pieces = known(protocol, form, None, &pieces);
                assert_eq!(in_pieces, known(protocol, form, None, &[&bytes]));
                assert!(in_pieces.usage.total() <= 5 << 32);
            }
        }
    }
}
