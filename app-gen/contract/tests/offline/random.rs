//! Random events: every type, with texts that are hard on a line.

use app_gen_contract::{
    Activity, AgentUsage, ApprovalPoint, Body, Change, CheckOutcome, Event, Excerpt, LogLevel,
    Payer, RawJson, StageState, Tokens,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Small deterministic generator of random numbers (SplitMix64), so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn text(&mut self, max_characters: usize) -> String {
        const ODD: [char; 15] = [
            '"', '\\', '\n', '\r', '\0', '\u{7f}', '\u{2028}', '\u{2029}', '\u{85}', '\u{202e}',
            '\u{fffd}', '😀', 'é', '{', '\u{ffff}',
        ];
        let length = self.below(max_characters + 1);
        (0..length)
            .map(|_| match self.below(3) {
                0 => ODD[self.below(ODD.len())],
                1 => char::from(b'a' + u8::try_from(self.below(26)).unwrap()),
                _ => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap()).unwrap_or(' '),
            })
            .collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn number(&mut self) -> u32 {
        u32::try_from(self.below(100)).unwrap() + 1
    }

    fn time(&mut self) -> OffsetDateTime {
        let milliseconds = i64::try_from(self.next() % 4_000_000_000_000).unwrap();
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).unwrap()
    }

    fn excerpt(&mut self) -> Excerpt {
        Excerpt::new(&self.text(1_800))
    }

    fn activity(&mut self) -> Activity {
        match self.below(14) {
            0 => Activity::Started {
                provider: self.text(10),
                workspace: self.text(64),
            },
            1 => Activity::Session {
                id: self.text(36),
                version: self.maybe(|random| random.text(10)),
                is_pinned: self.below(2) == 0,
                model: self.maybe(|random| random.text(20)),
            },
            2 => Activity::Said {
                text: self.excerpt(),
                helper_of: self.maybe(|random| random.text(10)),
            },
            3 => Activity::Thought {
                text: self.excerpt(),
                helper_of: None,
            },
            4 => Activity::ToolStarted {
                id: self.text(10),
                name: self.text(10),
                input: self.excerpt(),
                helper_of: self.maybe(|random| random.text(10)),
            },
            5 => Activity::ToolEnded {
                id: self.text(10),
                result: self.excerpt(),
                is_error: self.below(2) == 0,
            },
            6 => Activity::FileChanged {
                path: self.text(40),
                change: [Change::Created, Change::Edited, Change::Removed][self.below(3)],
            },
            7 => Activity::Waiting {
                attempt: self.next(),
                attempts: self.maybe(Self::next),
                delay_millis: self.maybe(Self::next),
                status: self.maybe(|_| 529),
                reason: self.text(40),
            },
            8 => Activity::RateLimit {
                is_rejected: self.below(2) == 0,
                resets_at: self.maybe(Self::time),
                limit: self.maybe(|random| random.text(10)),
            },
            9 => Activity::Used {
                usage: AgentUsage {
                    input_tokens: self.next(),
                    cache_read_tokens: self.next(),
                    cache_write_tokens: self.next(),
                    output_tokens: self.next(),
                    micro_usd: self.maybe(Self::next),
                },
            },
            10 => Activity::Trouble {
                message: self.excerpt(),
            },
            11 => Activity::Ended {
                is_success: self.below(2) == 0,
                text: self.excerpt(),
            },
            12 => Activity::Noted {
                event: self.text(20),
            },
            _ => Activity::Unknown {
                line: self.excerpt(),
            },
        }
    }

    pub(crate) fn body(&mut self) -> Body {
        match self.below(17) {
            0 => Body::Started {
                generator_version: self.text(10),
                attempt: self.number(),
                providers: (0..self.below(3))
                    .map(|_| (self.text(10), self.maybe(|random| random.text(10))))
                    .collect(),
                request_id: self.maybe(|random| random.text(10)),
            },
            1 => Body::Stage {
                name: self.text(10),
                state: [StageState::Running, StageState::Done, StageState::Failed][self.below(3)],
                detail: self.maybe(|random| random.text(40)),
            },
            2 => Body::Log {
                level: [LogLevel::Info, LogLevel::Warn, LogLevel::Error][self.below(3)],
                message: self.text(300),
            },
            3 => Body::Heartbeat {},
            4 => Body::Artifact {
                name: self.text(10),
                uri: self.text(50),
                size_bytes: self.next(),
                sha256: self.text(64),
                commit: self.maybe(|random| random.text(40)),
            },
            5 => Body::Succeeded {
                summary: self.text(100),
            },
            6 => Body::Failed {
                reason: self.text(100),
                hint: self.maybe(|random| random.text(40)),
            },
            7 => Body::Activity {
                role: self.text(10),
                stage: self.text(10),
                what: self.activity(),
            },
            8 => Body::Check {
                name: self.text(10),
                outcome: [
                    CheckOutcome::Passed,
                    CheckOutcome::Failed,
                    CheckOutcome::Skipped,
                ][self.below(3)],
                detail: self.maybe(|random| random.text(200)),
                seconds: self.next(),
            },
            9 => Body::Commit {
                iteration: self.number(),
                commit: self.text(40),
                role: self.text(10),
                message: self.text(100),
                diff: self.text(500),
            },
            16 => Body::Delivered {
                url: self.text(50),
                commit: self.maybe(|random| random.text(40)),
            },
            10 => Body::Usage {
                role: self.text(10),
                stage: self.text(10),
                provider: self.text(10),
                model: self.text(20),
                tokens: Tokens {
                    input: self.next(),
                    cache_read: self.next(),
                    cache_write: self.next(),
                    cache_write_long: self.next(),
                    output: self.next(),
                    thinking: self.next(),
                },
                micro_usd: self.maybe(Self::next),
                paid_by: [Payer::Platform, Payer::Tenant][self.below(2)],
            },
            11 => Body::Checkpoint {
                number: self.number(),
                commit: self.text(40),
            },
            12 => Body::WaitingApproval {
                point: [ApprovalPoint::BeforeBuild, ApprovalPoint::BeforePublish][self.below(2)],
                question: self.text(100),
                artifact_uri: self.maybe(|random| random.text(50)),
            },
            13 => Body::WaitingLimit {
                provider: self.text(10),
                until: self.maybe(Self::time),
                detail: self.text(100),
            },
            14 => Body::Interrupted {
                reason: self.text(100),
            },
            _ => Body::Unknown {
                kind: "plan".to_owned(),
                body: raw(&json!({ "text": self.text(50) })),
            },
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        // Less than a millisecond is cut.
        let time = self.time() + time::Duration::nanoseconds(123);
        let sequence = self.next() >> 1 | 1;
        let event = Event::new(
            "01890a5d-ac96-774b-bcce-b302099a8057",
            sequence,
            time,
            self.body(),
        );
        if self.below(5) == 0 {
            event.by_reference("s3://bucket/jobs/1/events/000001.json")
        } else {
            event
        }
    }
}

pub(crate) fn raw(value: &Value) -> RawJson {
    RawJson::parse(value.to_string().as_bytes()).unwrap()
}
