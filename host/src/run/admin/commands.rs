//! What changes something: it is the main thread's to do, and the answer is its answer.

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::run::admin::reply::{Refusal, Reply};
use crate::run::admin::watched::WatchedHost;
use crate::run::control::{Answer, Refused, Request};

/// Asks the main thread, and waits beside the answers to others.
pub(super) async fn ask(watched: &WatchedHost, request: Request) -> Result<Reply, Refusal> {
    tracing::info!(?request, "asked at the admin listener");
    let asked = watched.control.ask(request);
    let answer = spawn_blocking(|| asked.wait()).await.map_err(|_| Refusal::Failed)?;
    let done = match answer {
        Ok(Answer::Reloaded) => "reloaded",
        Ok(Answer::Parked) => "parked",
        Ok(Answer::Resumed) => "resumed",
        Err(Refused::UnknownPlugin(name)) => return Err(Refusal::UnknownPlugin(name)),
        Err(Refused::Reload(cause)) => return Err(Refusal::BadConfig(cause)),
        Err(Refused::Stopping) => return Err(Refusal::Stopping),
    };
    Ok(Reply::json(&json!({ "done": done })))
}
