//! Says now and then that this host is there, hears who else is, and how far NATS is.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Request};
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::cluster::Cluster;
use crate::cluster::hosts::Greeting;
use crate::cluster::line::Line;

/// Goes on until its task is ended. Nothing else depends on it.
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
                // What would say so later is of no use, and a queue of such words even less.
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
                    // Others may use the subjects that they are let to; none of it is this host's business.
                    _ => {}
                }
            }
        }
    }
}

/// Says that this host leaves.
pub(super) async fn leave(cluster: &Cluster, line: &Line) {
    if let Some(client) = line.client().await.filter(|_| line.is_connected()) {
        greet(cluster, &client, Duration::ZERO).await;
    }
}

/// The parts between dots that no tenant has: their names have no `=`.
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
    // Whoever does not hear it takes this host for gone.
    let _ = client.publish(subject(cluster), text.into()).await;
}

/// Asks where nobody answers: the server says so at once, and how long that takes is how far it is.
async fn measure(cluster: &Cluster, client: &Client, line: &Line, patience: Duration) {
    let asked = cluster.clock.now();
    let request = Request::new().timeout(Some(patience));
    let nobody = format!("{}.=distance", cluster.config.prefix);
    // Every answer is one.
    let _ = client.send_request(nobody, request).await;
    line.set_round_trip(cluster.clock.now().since(asked));
}
