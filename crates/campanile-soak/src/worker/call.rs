//! One phone call, from its first ring to its end.

use super::answer::{Answer, Progress};
use super::ears::Ears;
use super::gauge::Line;
use super::latency::Way;
use super::mouth::Mouth;
use super::stages::{Llm, Models, llm};
use super::world::{Counts, World};
use crate::canary;
use crate::journal::Entry;
use crate::plan::{BargeIn, CallPlan, TurnPlan};
use campanile::Session;
use campanile_examples::openai::OpenAi;
use campanile_testkit::sim::Provider;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Lines of a conversation that the model is told again.
const REMEMBERED: usize = 12;
/// How long the transcriber may take over the last words.
const GOODBYE: Duration = Duration::from_secs(5);

/// Takes one phone call after another, until time is up. `watched`: with layers.
pub(super) async fn line(world: &World, slot: u32, watched: bool) {
    let side = if watched { "s" } else { "b" };
    let mut number = 0;
    while !world.is_over() {
        let name = format!("{slot:03}-{}-{number:04}", world.job.life);
        let plan = CallPlan::new(world.job.options.seed, &name);
        sleep(Duration::from_millis(plan.pause_ms)).await;
        if world.is_over() {
            return;
        }
        take_call(world, &plan, &name, &format!("{side}{name}"), watched).await;
        number += 1;
    }
}

async fn take_call(world: &World, plan: &CallPlan, name: &str, id: &str, watched: bool) {
    let note = |over: Option<&str>| {
        let (id, at_ms, over) = (id.to_owned(), world.now_ms(), over.map(str::to_owned));
        if watched {
            world.journal.write(&Entry::Session { id, at_ms, over });
        }
    };
    note(None);
    let session = watched.then(|| world.monitor.session_named(id).expect("letters and digits"));
    let reason = talk(world, plan, name, id, session.as_ref()).await;
    note(Some(reason));
    if let Some(session) = session {
        session.end(reason);
    }
    Counts::add(&world.counts.sessions);
}

/// Talks, and says why it ended.
async fn talk(
    world: &World,
    plan: &CallPlan,
    name: &str,
    id: &str,
    session: Option<&Session>,
) -> &'static str {
    let mouth = Mouth::new(world, id, session.is_some());
    let ears = Ears::new(world, id, session);
    let reason = {
        let mut listening = pin!(ears.listen());
        let conversation = converse(world, plan, name, id, session, &ears, &mouth);
        let reason = tokio::select! {
            biased;
            reason = conversation => reason,
            () = &mut listening => "line_lost",
        };
        if reason == "goodbye" {
            ears.close();
            let _ = timeout(GOODBYE, listening).await;
        }
        reason
    };
    mouth.close().await;
    reason
}

async fn converse(
    world: &World,
    plan: &CallPlan,
    name: &str,
    id: &str,
    session: Option<&Session>,
    ears: &Ears<'_>,
    mouth: &Mouth<'_>,
) -> &'static str {
    let stopwatch = world.stopwatch(Way::Delta, session.is_some());
    let line = Line::default();
    let dial = world.dial(Provider::OpenAi, &line, stopwatch.clone());
    let base = world.place.http(Provider::OpenAi);
    let model = OpenAi::new(&base, "key-of-openai").expect("a key of letters");
    let models = Models {
        good: model.clone().dial(dial),
        refused: model.dial(world.dead_end()),
    };
    let monitor = session.map(|_| &world.monitor);
    let stage: Llm = llm(monitor, models, plan.drains, world.limit.clone());
    let mut history = vec![("system", "You answer the phone. Be brief.".to_owned())];
    for number in 1..=plan.turns {
        if world.is_over() {
            return "goodbye";
        }
        let last = number == plan.turns;
        let mut step = TurnPlan::new(world.job.options.seed, name, number, world.fault());
        if last && plan.hangs_up && step.barge_in.is_none() && step.trouble.model.is_empty() {
            step.barge_in = Some(BargeIn {
                deltas: 3,
                frames: 12,
            });
        }
        if step.muted_ms > 0 {
            ears.mute(Duration::from_millis(step.muted_ms)).await;
        }
        let turn = session.map(Session::turn);
        let said = ears
            .hear(step.speech_ms, step.trouble.cuts_ears, || {
                turn.iter().for_each(campanile::Turn::user_stopped);
            })
            .await;
        turn.iter().for_each(campanile::Turn::transcribed);
        history.push(("user", said));
        let answer = Answer {
            world,
            id,
            number,
            turn: turn.as_ref(),
            llm: &stage,
            mouth,
            stopwatch: stopwatch.clone().filter(|_| !plan.drains),
            barge_in: step.barge_in,
            reason: if last && plan.hangs_up {
                "hang_up"
            } else {
                "barge_in"
            },
            trouble: &step.trouble,
            progress: Progress::default(),
        };
        history.push(("assistant", answer.run(&history).await));
        let interrupted = answer.progress.interrupted.load(Relaxed);
        if history.len() > REMEMBERED {
            history.drain(1..history.len() - REMEMBERED + 1);
        }
        Counts::add(&world.counts.turns);
        if let Some(turn) = turn {
            turn.end();
            let (session, at_ms) = (id.to_owned(), world.now_ms());
            world.journal.write(&Entry::Turn {
                session,
                n: number,
                at_ms,
                interrupted,
            });
            if step.chatty {
                chat(&canary::said()[2], &canary::secrets()[number as usize % 2]);
            }
        }
        if last && plan.hangs_up && interrupted {
            return "hang_up";
        }
        sleep(Duration::from_millis(step.pause_ms)).await;
    }
    "goodbye"
}

/// Lines of a program's own: what may be written of them is masked, and the rest is not written.
fn chat(said: &str, secret: &str) {
    tracing::info!(target: "bot", note = secret, said, "wants a call back: {secret}");
    tracing::info!(target: "somebody_else", said, "{said}");
}
