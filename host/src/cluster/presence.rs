//! Announces this host at intervals, receives the announcements of others, and measures the round trip to NATS.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Request};
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::cluster::Cluster;
use crate::cluster::hosts::Greeting;
use crate::cluster::line::Line;

/// Runs until its task is cancelled. Nothing else depends on it.
pub(super) async fn keep(cluster: Arc<Cluster>, line: Arc<Line>) {
    let Some(client) = line.client().await else { return };
    let subject = subject(&cluster);
    let Ok(mut heard) = client.subscribe(subject.clone()).await else { return };
    let period = cluster.config.limits.ping;
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // A late announcement would be useless, so that none is queued.
                if line.is_connected() {
                    greet(&cluster, &client, period).await;
                    measure(&cluster, &client, &line, period).await;
                }
                cluster.hosts.forget_silent();
            }
            greeting = heard.next() => {
                let Some(greeting) = greeting else { return };
                match serde_json::from_slice::<Greeting>(&greeting.payload) {
                    Ok(greeting) if greeting.host != cluster.id.as_str() => cluster.hosts.hear(greeting),
                    // Messages of other programs on this subject are ignored.
                    _ => {}
                }
            }
        }
    }
}

/// Announces that this host leaves.
pub(super) async fn leave(cluster: &Cluster, line: &Line) {
    if let Some(client) = line.client().await.filter(|_| line.is_connected()) {
        greet(cluster, &client, Duration::ZERO).await;
    }
}

/// No tenant has these parts of a subject: names of tenants contain no `=`.
fn subject(cluster: &Cluster) -> String {
    format!("{}.=hosts", cluster.config.prefix)
}

async fn greet(cluster: &Cluster, client: &Client, again_in: Duration) {
    let greeting = Greeting {
        host: cluster.id.as_str().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        again_in_ms: u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX),
    };
    let Ok(text) = serde_json::to_vec(&greeting) else { return };
    // If the announcement is lost the others notice the silence.
    let _ = client.publish(subject(cluster), text.into()).await;
}

/// Measures the round trip by a request without a responder, which the server reports at once.
async fn measure(cluster: &Cluster, client: &Client, line: &Line, patience: Duration) {
    let asked = cluster.clock.now();
    let request = Request::new().timeout(Some(patience));
    let nobody = format!("{}.=distance", cluster.config.prefix);
    // The server's report is an answer, too.
    let _ = client.send_request(nobody, request).await;
    line.set_round_trip(cluster.clock.now().since(asked));
}
