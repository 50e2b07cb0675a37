//! Transcripts: the input of peers, the passing of time and the expected output, played against the real components in the real
//! loop.
//!
//! Nothing waits for real time. Sockets are pairs with one end at the player (`net/network.rs`), the transcript moves the clock,
//! and between two steps the loop turns until it is idle.

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
