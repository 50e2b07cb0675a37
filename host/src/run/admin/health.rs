//! Liveness and readiness probes.

use std::pin::pin;
use std::time::Duration;

use hyper::StatusCode;
use tokio::select;
use tokio::time::sleep;

use crate::mail::inquiry::LoopQuestion;
use crate::plugin::readiness::Readiness;
use crate::run::admin::cluster_view;
use crate::run::admin::reply::Reply;
use crate::run::admin::watched::{LONGEST_ANSWER, WatchedHost};

/// How long the answers of the loops are reused, since each question wakes them.
const LOOKED_LATELY: Duration = Duration::from_millis(50);

/// Healthy if every reactor turns.
pub(super) async fn healthz(watched: &WatchedHost) -> Reply {
    let mut last = watched.heartbeat.0.lock().await;
    let now = watched.clock.now();
    let stuck = match &*last {
        Some((at, stuck)) if now.since(*at) < LOOKED_LATELY => stuck.clone(),
        _ => {
            let stuck = stuck_reactors(watched).await;
            *last = Some((watched.clock.now(), stuck.clone()));
            stuck
        }
    };
    if stuck.is_empty() {
        return Reply::text(StatusCode::OK, "ok");
    }
    let numbers: Vec<String> = stuck.iter().map(ToString::to_string).collect();
    let text = format!("these reactors do not turn: {}", numbers.join(", "));
    Reply::text(StatusCode::SERVICE_UNAVAILABLE, &text)
}

/// The reactors that do not answer. Those that have ended with the host's stop do not count.
async fn stuck_reactors(watched: &WatchedHost) -> Vec<usize> {
    let posts = 0..watched.posts.len();
    // All are asked before one is waited for: those that do not turn take the time of one.
    let asked: Vec<_> =
        posts.map(|reactor| watched.inquire(reactor, LoopQuestion::Turning)).collect();
    let mut late = pin!(sleep(LONGEST_ANSWER));
    let mut stuck = Vec::new();
    for (reactor, answers) in asked.into_iter().enumerate() {
        let Some(mut answers) = answers else { continue };
        let answers = select! {
            biased;
            answer = answers.recv() => answer.is_some(),
            () = &mut late => false,
        };
        if !answers && watched.host.readiness.get() != Readiness::Stopping {
            stuck.push(reactor);
        }
    }
    stuck
}

/// Ready if connections are accepted.
pub(super) fn readyz(watched: &WatchedHost) -> Reply {
    match unready(watched) {
        None => Reply::text(StatusCode::OK, "ready"),
        Some(why) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// Why no connections are accepted, if so.
pub(super) fn unready(watched: &WatchedHost) -> Option<String> {
    let readiness = watched.host.readiness.get();
    if readiness != Readiness::Serving {
        return Some(readiness.name().to_owned());
    }
    if let Some(why) = watched.host.cluster.as_deref().and_then(cluster_view::unready) {
        return Some(why);
    }
    if watched.config.ready_in_quarantine {
        return None;
    }
    let roster = watched.roster();
    let held_back = roster.plugins().filter(|it| it.counters.is_held_back());
    let each = held_back.map(|it| format!("{}: {}", it.counters.service().name(), it.name()));
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join(", "))
}
