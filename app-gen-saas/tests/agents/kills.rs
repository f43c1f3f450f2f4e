//! kill -9 of generators, agents, models and the orchestrator, at every stage: each job ends well.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};
use tokio::task::{JoinSet, block_in_place};

use crate::containers::Containers;
use crate::deck::{Card, Deck, Victim};
use crate::orchestrator::Orchestrator;
use crate::proof::{Proof, prove};
use crate::support::binary::process_variables;
use crate::support::database::TestDatabase;
use crate::support::random::Random;
use crate::watch::{Stage, watch};

/// How many kills there are at least.
const KILLS: &str = "APP_GEN_KILLS";
const USUAL_KILLS: usize = 6;
/// Another number is other kills at other moments.
const SEED: &str = "APP_GEN_KILLS_SEED";
/// How many jobs run side by side, and how many kills each of them gets.
const LANES: usize = 3;
const KILLS_OF_A_JOB: usize = 5;
/// Longest time of a job.
const JOB_TIME: Duration = Duration::from_secs(600);
/// Each job is one of these. The second has two iterations, because its first code does not pass its tests.
const SCRIPTS: [&str; 2] = ["create", "repair"];
const PROVIDERS: [&str; 2] = ["claude", "codex"];

/// What all jobs have in common.
pub struct Run {
    pub orchestrator: Orchestrator,
    pub containers: Containers,
    pub database: TestDatabase,
    pub folder: std::path::PathBuf,
    seed: u64,
    state: Mutex<State>,
}

/// What is still to be done, and what was.
struct State {
    deck: Deck,
    next_job: u64,
    wanted: usize,
    /// Kills of jobs that run, and of those that have ended.
    dealt: usize,
    done: Vec<(Victim, Stage)>,
    proofs: Vec<Proof>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_each_job_ends_well() {
    let number = |name, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let wanted = number(KILLS, USUAL_KILLS);
    let seed = number(SEED, 1).try_into().unwrap();
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let containers = Containers::new(folder.path()).await;
    let database = TestDatabase::postgres().await;
    let mut variables = process_variables(folder.path(), &database.url, &containers.command);
    variables.push(("GENERATOR_ENVIRONMENT", Containers::environment()));
    variables.push(("JOB_CONCURRENCY", LANES.to_string()));
    let run = Arc::new(Run {
        orchestrator: Orchestrator::start(variables).await,
        containers,
        database,
        folder: folder.path().to_owned(),
        seed,
        state: Mutex::new(State {
            deck: Deck::new(seed),
            next_job: 0,
            wanted,
            dealt: 0,
            done: Vec::new(),
            proofs: Vec::new(),
        }),
    });
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let run = Arc::clone(&run);
        lanes.spawn(async move {
            while let Some((number, hand)) = run.next().await {
                let job = job(&run, number, hand);
                let ended = tokio::time::timeout(JOB_TIME, job).await;
                ended.unwrap_or_else(|_| panic!("seed {seed}: job {number} does not end"));
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        if let Err(error) = lane {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    assert_eq!(run.containers.errors(), "", "only event lines are written");
    let state = run.state.lock().await;
    assert!(state.done.len() >= wanted);
    println!("{}", summary(&state, seed, began.elapsed()));
}

impl Run {
    /// The next job with the kills that it gets, unless there are enough.
    async fn next(&self) -> Option<(u64, Vec<Card>)> {
        let mut state = self.state.lock().await;
        if state.done.len() + state.dealt >= state.wanted {
            return None;
        }
        let hand = state.deck.deal(KILLS_OF_A_JOB);
        state.dealt += hand.len();
        state.next_job += 1;
        Some((state.next_job - 1, hand))
    }

    /// Kills, if the victim is there.
    async fn kill(&self, victim: Victim, job: &str, provider: &str, random: &mut Random) -> bool {
        // Others read their streams while the engine is asked.
        match victim {
            Victim::Generator => block_in_place(|| self.containers.kill_generator(job)),
            Victim::Agent => block_in_place(|| self.containers.kill_agent(job, provider)),
            Victim::Model => block_in_place(|| self.containers.kill_model(job)),
            Victim::Orchestrator => {
                let pause = u64::try_from(random.below(1_500)).unwrap();
                self.orchestrator.kill(Duration::from_millis(pause)).await;
                true
            }
        }
    }
}

/// Submits a job, kills what its hand says, and proves that it ended well.
async fn job(run: &Run, number: u64, hand: Vec<Card>) {
    let place = usize::try_from(number).unwrap();
    let provider = PROVIDERS[place % 2];
    let script = SCRIPTS[place / 2 % 2];
    let description = format!("a plant diary by the script {script}");
    let id = run.orchestrator.submit(&description, provider).await;
    let (sender, stages) = watch::channel(Stage::Start);
    let random = Random(run.seed.wrapping_add(number));
    let dealt = hand.len();
    let (events, killed) = tokio::join!(
        watch(&run.orchestrator, &id, &sender),
        killed(run, &id, provider, hand, stages, random),
    );
    let words = format!(
        "seed {}: job {number} ({provider}, {script}): {killed:?}",
        run.seed
    );
    println!("{words}");
    let proof = prove(run, &id, &events, &killed, &words).await;
    let mut state = run.state.lock().await;
    state.dealt -= dealt;
    state.done.extend(killed);
    state.proofs.push(proof);
}

/// What was killed in which stage, until the job ended.
async fn killed(
    run: &Run,
    id: &str,
    provider: &str,
    hand: Vec<Card>,
    mut stages: watch::Receiver<Stage>,
    mut random: Random,
) -> Vec<(Victim, Stage)> {
    let mut killed = Vec::new();
    for card in hand {
        let reached = stages.wait_for(|stage| *stage >= card.stage).await;
        if *reached.unwrap() == Stage::End {
            break;
        }
        tokio::time::sleep(card.after).await;
        loop {
            let stage = *stages.borrow();
            if stage == Stage::End {
                break;
            }
            if run.kill(card.victim, id, provider, &mut random).await {
                killed.push((card.victim, stage));
                break;
            }
            // It is there in a moment: it starts, or is started again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    killed
}

/// One line of counts.
fn summary(state: &State, seed: u64, took: Duration) -> String {
    let victims = state.done.iter().map(|(victim, _)| *victim);
    let stages = state.done.iter().map(|(_, stage)| *stage);
    let sum = |of: fn(&Proof) -> usize| state.proofs.iter().map(of).sum::<usize>();
    format!(
        "{} kills ({}; {}) in {} jobs with {} attempts, {} agents that were started again, \
         {} commits, {} requests of which {} were counted, {} s, seed {seed}",
        state.done.len(),
        counts(victims, &Victim::ALL),
        counts(stages, &Stage::ALL),
        state.proofs.len(),
        sum(|proof| proof.attempts),
        sum(|proof| proof.restarts),
        sum(|proof| proof.commits),
        sum(|proof| proof.requests),
        sum(|proof| proof.usages),
        took.as_secs(),
    )
}

fn counts<Kind: Debug + PartialEq>(all: impl Iterator<Item = Kind>, kinds: &[Kind]) -> String {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for one in all {
        let place = kinds.iter().position(|kind| *kind == one).unwrap();
        *counts.entry(place).or_default() += 1;
    }
    let words = counts
        .iter()
        .map(|(place, count)| format!("{:?} {count}", kinds[*place]).to_lowercase());
    words.collect::<Vec<_>>().join(", ")
}
