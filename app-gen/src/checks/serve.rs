//! The application, started as a platform starts it: whether it answers, does what the plan asks for, and
//! ends when it is asked to.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app_gen_contract::excerpt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::checks::checked::{Checked, Found};
use crate::checks::criteria::Criterion;
use crate::checks::http::{Answer, ask};
use crate::checks::npm::{failure, tail};
use crate::checks::subject::Subject;
use crate::workshop::command::Running;

pub(crate) const START: &str = "start";
pub(crate) const ACCEPTANCE: &str = "acceptance";
pub(crate) const STOP: &str = "stop";

/// Until the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(60);
/// From SIGTERM to the end. Platforms kill after 10 to 30 s.
const END: Duration = Duration::from_secs(10);
/// Everything together: a bound for what goes wrong here.
const WHOLE: Duration = Duration::from_secs(600);
/// Between two looks whether it answers.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the page may send its reader elsewhere.
const REDIRECTS: usize = 3;
/// Bytes of what the application wrote that are quoted.
const QUOTED_BYTES: usize = 1_500;

/// Starts the application, uses it, and ends it.
pub(crate) async fn check(subject: &Subject<'_>) -> Result<Vec<Checked>> {
    // The last port: agents that try their servers take the first.
    let port = *subject.cage.ports.named.end();
    if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_ok()
    {
        bail!("something else listens at the application's port {port}");
    }
    let variables = subject
        .variables()
        .and("PORT", port.to_string())
        .and("HOST", Ipv4Addr::LOCALHOST.to_string())
        .and("NODE_ENV", "production");
    let began = Instant::now();
    let running = Running::start(subject.cage, "npm", &["start"], &variables, WHOLE);
    let mut running = running.context("failed to start npm in its cage")?;
    let started = start(&mut running, port).await?;
    let is_started = matches!(started, Found::Good(_));
    let mut checked = vec![Checked::new(START, started, began.into_std())];

    let began = Instant::now();
    let needs = || Found::Skipped("it needs start, which did not pass".to_owned());
    let accepted = match (is_started, subject.criteria) {
        (false, _) => needs(),
        (true, []) => Found::Skipped("the plan has no criteria that can be asked for".to_owned()),
        (true, criteria) => accept(&running, port, criteria).await,
    };
    checked.push(Checked::new(ACCEPTANCE, accepted, began.into_std()));

    let began = Instant::now();
    let stopped = match is_started {
        false => needs(),
        true => stop(&mut running, port).await?,
    };
    checked.push(Checked::new(STOP, stopped, began.into_std()));
    running
        .end_now()
        .await
        .context("failed to end the application")?;
    Ok(checked)
}

/// What the application wrote, to quote it.
fn wrote(running: &Running) -> String {
    let output = running.output();
    match tail(&output, QUOTED_BYTES) {
        "" => "It wrote nothing.".to_owned(),
        tail => format!("Its output ends:\n{tail}"),
    }
}

async fn start(running: &mut Running, port: u16) -> Result<Found> {
    let answers = async {
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_ok()
            {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    let ended = tokio::select! {
        () = answers => None,
        ended = running.ended() => Some(ended.context("failed to wait for the application")?),
        () = sleep(FIRST_ANSWER) => {
            let seconds = FIRST_ANSWER.as_secs();
            return Ok(Found::Bad(format!(
                "npm start listens at no port {port} of HOST 127.0.0.1 within {seconds} s; the variables \
                 PORT and HOST say where it has to. {}",
                wrote(running)
            )));
        }
    };
    if let Some(ended) = ended {
        // The last words may still be on their way.
        sleep(PAUSE).await;
        let how = failure(&ended, &running.output(), WHOLE)?;
        let how = how.unwrap_or_else(|| "ended".to_owned());
        let wrote = wrote(running);
        return Ok(Found::Bad(format!(
            "npm start {how} before it listened. {wrote}"
        )));
    }
    Ok(match page(port).await {
        Ok(answer) if answer.status != 200 => Found::Bad(format!(
            "GET / has status {} instead of 200, with: {}. {}",
            answer.status,
            excerpt(answer.body.as_bytes()),
            wrote(running)
        )),
        Ok(answer) if !answer.is_html => Found::Bad(format!(
            "GET / is no page: its content-type is not text/html, and it begins: {}",
            excerpt(answer.body.as_bytes())
        )),
        Ok(_) => Found::Good(None),
        Err(why) => Found::Bad(format!(
            "the application {why} on GET /. {}",
            wrote(running)
        )),
    })
}

/// The page, wherever in the application `/` leads.
async fn page(port: u16) -> Result<Answer, String> {
    let mut path = "/".to_owned();
    for _ in 0..REDIRECTS {
        let answer = ask(port, "GET", &path, None).await?;
        let is_elsewhere = |path: &&String| path.starts_with('/') && !path.starts_with("//");
        match answer.location.as_ref().filter(is_elsewhere) {
            Some(location) if (300..400).contains(&answer.status) => path.clone_from(location),
            _ => return Ok(answer),
        }
    }
    Err("sends its reader from one address to another".to_owned())
}

async fn accept(running: &Running, port: u16, criteria: &[Criterion]) -> Found {
    let mut faults = Vec::new();
    for criterion in criteria {
        let method: &str = criterion.request.method.into();
        let path = &criterion.request.path;
        let body = criterion.request.body.as_ref();
        let answer = ask(port, method, path, body).await;
        if let Some(fault) = fault(criterion, answer) {
            let body = body.map(|body| format!(" {}", excerpt(body.to_string().as_bytes())));
            faults.push(format!(
                "{}: {} But {method} {path}{} {fault}",
                criterion.id,
                criterion.says,
                body.unwrap_or_default(),
            ));
        }
    }
    match faults.is_empty() {
        true => Found::Good(Some(format!("criteria that are met: {}", criteria.len()))),
        false => {
            faults.push(wrote(running));
            Found::Bad(faults.join("\n"))
        }
    }
}

/// What is wrong with an answer, as the end of a sentence about the request.
fn fault(criterion: &Criterion, answer: Result<Answer, String>) -> Option<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Some(format!("has no answer: the application {why}")),
    };
    let expected = &criterion.expect;
    let shown = excerpt(answer.body.as_bytes());
    if answer.status != expected.status {
        let (status, wanted) = (answer.status, expected.status);
        return Some(format!(
            "has status {status} instead of {wanted}, with: {shown}"
        ));
    }
    let missing = expected
        .contains
        .as_ref()
        .filter(|text| !answer.body.contains(*text))?;
    Some(format!("has an answer without {missing:?}: {shown}"))
}

async fn stop(running: &mut Running, port: u16) -> Result<Found> {
    running.ask_to_end();
    let Ok(ended) = timeout(END, running.ended()).await else {
        let seconds = END.as_secs();
        return Ok(Found::Bad(format!(
            "the application did not end within {seconds} s after SIGTERM: it must close its server and let \
             the process end. {}",
            wrote(running)
        )));
    };
    ended.context("failed to wait for the application")?;
    // Nothing of a cage is left when its keeper has ended.
    if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_ok()
    {
        bail!("something still listens at port {port} although its cage has ended");
    }
    Ok(Found::Good(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::criteria::parse;

    #[test]
    fn a_criterion_says_what_is_wrong_with_an_answer() {
        let criteria = parse(
            r#"[{"id":"add","says":"A plant can be added.","request":{"method":"POST","path":"/api"},
                 "expect":{"status":201,"contains":"Fern"}}]"#,
        );
        let criterion = &criteria.unwrap()[0];
        let answer = |status, body: &str| {
            Ok(Answer {
                status,
                is_html: false,
                location: None,
                body: body.to_owned(),
            })
        };
        assert_eq!(fault(criterion, answer(201, "a Fern")), None);
        assert_eq!(
            fault(criterion, answer(500, "no\nway")).unwrap(),
            "has status 500 instead of 201, with: no way"
        );
        assert_eq!(
            fault(criterion, answer(201, "{}")).unwrap(),
            "has an answer without \"Fern\": {}"
        );
        assert_eq!(
            fault(criterion, Err("does not listen".to_owned())).unwrap(),
            "has no answer: the application does not listen"
        );
    }
}
