//! Transcripts: what peers send and expect, and what time it is, played against the real components in the real loop.
//!
//! Nothing is waited for. Sockets are pairs whose other ends the player has (`net/network.rs`), the clock moves where the
//! transcript says so, and between two steps the loop turns until it has nothing left to do.

mod diff;
mod failure;
mod heard;
mod peer;
mod peers;
mod player;
pub mod run;
mod script;
mod stage;
mod step;
mod text;
