//! What orchestrators tell each other through PostgreSQL's NOTIFY: which jobs somebody listens to, and which of
//! those have new events.
//!
//! Nothing depends on it but time: who hears nothing asks the database every second. A pooler between
//! orchestrator and database can swallow it without a word, so an orchestrator believes that it hears only
//! while it hears itself.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgListener;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::app::App;
use crate::config::{DatabaseKind, StoreConfig};
use crate::database::Database;
use crate::streams::hub::{EventHub, News};

const CHANNEL: &str = "app_gen_streams";
/// How often an orchestrator gives a sign of life, with the jobs that somebody listens to there.
const BEAT: Duration = Duration::from_secs(10);
/// After such a silence nothing is heard any more.
const SILENCE: Duration = Duration::from_secs(25);
/// What comes within this time is told together: a commit with a NOTIFY waits for all others of its kind.
const GATHER: Duration = Duration::from_millis(10);
/// Pause after something could not be told.
const RETRY: Duration = Duration::from_secs(1);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Pauses before another connection, the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// PostgreSQL takes less than 8,000 bytes at once.
const MAX_TEXT_BYTES: usize = 7000;
/// In place of a job: all jobs.
const ALL: &str = "*";
/// In place of a job: which jobs does somebody listen to?
const QUESTION: &str = "?";
/// Before a job: somebody listens to it.
const INTEREST: char = '+';

/// Tells and hears until the orchestrator stops.
pub async fn run(app: App) {
    // A file has one orchestrator, and DynamoDB no way to tell.
    let Some((database, url)) = postgres(&app) else {
        return app.stopping().await;
    };
    let own = Uuid::now_v7().simple().to_string();
    tokio::select! {
        () = app.stopping() => {}
        () = say_for_ever(&app, database, &own) => {}
        () = hear_for_ever(&app, database, url, &own) => {}
    }
}

/// The database and its URL, if that is PostgreSQL.
fn postgres(app: &App) -> Option<(&Database, &str)> {
    match &app.config.store {
        StoreConfig::Database(config) if config.kind == DatabaseKind::Postgres => {
            Some((app.database.sql()?, &config.url))
        }
        _ => None,
    }
}

async fn say_for_ever(app: &App, database: &Database, own: &str) {
    let mut beat: Option<Instant> = None;
    loop {
        let mut news = app.hub.take_news();
        let is_beat = beat.is_none_or(|at| at.elapsed() >= BEAT);
        if is_beat {
            beat = Some(Instant::now());
            news.interest.extend(app.hub.watched());
        }
        let mut pause = GATHER;
        for text in texts(own, &news, is_beat) {
            if let Err(error) = database.tell(CHANNEL, &text).await {
                tracing::warn!(%error, "failed to tell other orchestrators what is new");
                pause = RETRY;
            }
        }
        sleep(pause).await;
        let rest = beat.map_or(BEAT, |at| BEAT.saturating_sub(at.elapsed()));
        tokio::select! {
            () = app.hub.to_say.notified() => {}
            () = sleep(rest) => {}
        }
    }
}

/// The news in texts that PostgreSQL takes. A sign of life is said although there is nothing new.
fn texts(own: &str, news: &News, is_beat: bool) -> Vec<String> {
    let all = news.of_all.then(|| ALL.to_owned());
    let events = news.events.iter().cloned();
    let interest = news.interest.iter().map(|job| format!("{INTEREST}{job}"));
    let mut texts = Vec::new();
    let mut text = own.to_owned();
    for word in all.into_iter().chain(events).chain(interest) {
        if text.len() + 1 + word.len() > MAX_TEXT_BYTES {
            texts.push(std::mem::replace(&mut text, own.to_owned()));
        }
        text.push(' ');
        text.push_str(&word);
    }
    if is_beat || text.len() > own.len() {
        texts.push(text);
    }
    texts
}

async fn hear_for_ever(app: &App, database: &Database, url: &str, own: &str) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut has_heard = false;
        let Err(error) = hear(app, (database, url), own, &mut has_heard).await;
        app.hub.set_hears(false);
        if has_heard {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(
            error = format!("{error:#}"),
            "nothing is heard of other orchestrators; the database is asked every second instead"
        );
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Hears until the connection is lost.
async fn hear(
    app: &App,
    (database, url): (&Database, &str),
    own: &str,
    has_heard: &mut bool,
) -> anyhow::Result<Infallible> {
    let connect = async {
        let mut listener = PgListener::connect(url).await?;
        // What was said while there was no connection is lost: that must be noticed here.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = timeout(CONNECT_TIMEOUT, connect)
        .await
        .context("the database did not take a connection for LISTEN in time")?
        .context("failed to LISTEN")?;
    let question = format!("{own} {QUESTION}");
    database.tell(CHANNEL, &question).await?;
    loop {
        let news = timeout(SILENCE, listener.try_recv())
            .await
            .context("not even what this orchestrator said itself was heard; does DATABASE_URL name a pooler of transactions?")?
            .context("failed to hear")?
            .context("the connection for LISTEN was lost")?;
        *has_heard = true;
        understand(&app.hub, own, news.payload());
    }
}

/// Does what follows from a text that was heard.
fn understand(hub: &EventHub, own: &str, text: &str) {
    hub.set_hears(true);
    let mut words = text.split_ascii_whitespace();
    if words.next() == Some(own) {
        return;
    }
    for word in words {
        match word.strip_prefix(INTEREST) {
            Some(job) => hub.heard_interest(job),
            None if word == ALL => hub.ask_all(),
            None if word == QUESTION => hub.heard_question(),
            None => hub.heard_events(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StreamLimits;

    fn news(events: usize, interest: usize) -> News {
        News {
            events: (0..events).map(|number| format!("job-{number}")).collect(),
            interest: (0..interest)
                .map(|number| format!("job-{number}"))
                .collect(),
            of_all: false,
        }
    }

    #[test]
    fn texts_are_short_enough() {
        assert_eq!(texts("me", &news(0, 0), false), [""; 0]);
        assert_eq!(texts("me", &news(0, 0), true), ["me"]);
        assert_eq!(texts("me", &news(1, 1), false), ["me job-0 +job-0"]);
        let all = News {
            of_all: true,
            ..News::default()
        };
        assert_eq!(texts("me", &all, false), ["me *"]);
        let texts = texts("me", &news(1000, 1000), true);
        assert!(texts.len() > 1);
        assert!(texts.iter().all(|text| text.len() <= MAX_TEXT_BYTES));
        let words: usize = texts.iter().map(|text| text.split(' ').count() - 1).sum();
        assert_eq!(words, 2000);
    }

    #[test]
    fn what_others_say_is_understood() {
        let hub = EventHub::new(StreamLimits::default());
        assert_eq!(hub.poll(), Duration::from_secs(1));
        understand(&hub, "me", "me +mine");
        assert!(!hub.is_watched("mine"));
        assert_eq!(hub.poll(), Duration::from_secs(5));
        understand(&hub, "me", "other job +theirs *");
        assert!(hub.is_watched("theirs"));
        assert!(!hub.is_watched("job"));
        understand(&hub, "me", "");
        hub.set_hears(false);
        assert_eq!(hub.poll(), Duration::from_secs(1));
    }
}
