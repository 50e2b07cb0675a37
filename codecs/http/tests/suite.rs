//! The codec against a corpus of raw bytes, cut and changed in every way.

#[path = "suite/autobahn.rs"]
mod autobahn;
#[path = "suite/chunks.rs"]
mod chunks;
#[path = "suite/corpus.rs"]
mod corpus;
#[path = "suite/endless.rs"]
mod endless;
#[path = "suite/fuzz.rs"]
mod fuzz;
#[path = "suite/http_state.rs"]
mod http_state;
#[path = "suite/transcript.rs"]
mod transcript;
#[path = "suite/writer.rs"]
mod writer;
