//! Commands, which the main thread executes.

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::run::admin::reply::{Refusal, Reply};
use crate::run::admin::watched::WatchedHost;
use crate::run::control::{ControlAnswer, ControlRefusal, Request};

/// Sends a command to the main thread and waits for its answer, without blocking other requests.
pub(super) async fn ask(watched: &WatchedHost, request: Request) -> Result<Reply, Refusal> {
    tracing::info!(?request, "asked at the admin listener");
    let asked = watched.control.ask(request);
    let answer = spawn_blocking(|| asked.wait()).await.map_err(|_| Refusal::Failed)?;
    let done = match answer {
        Ok(ControlAnswer::Reloaded) => "reloaded",
        Ok(ControlAnswer::Parked) => "parked",
        Ok(ControlAnswer::Draining) => "draining",
        Ok(ControlAnswer::Resumed) => "resumed",
        Err(ControlRefusal::UnknownPlugin(name)) => return Err(Refusal::UnknownPlugin(name)),
        Err(ControlRefusal::Reload(cause)) => return Err(Refusal::BadConfig(cause)),
        Err(ControlRefusal::Stopping) => return Err(Refusal::Stopping),
    };
    Ok(Reply::json(&json!({ "done": done })))
}
