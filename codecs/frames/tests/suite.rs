//! The decoders against tables, a model, and streams that are cut and changed in every way.

#[path = "suite/content.rs"]
mod content;
#[path = "suite/endless.rs"]
mod endless;
#[path = "suite/feed.rs"]
mod feed;
#[path = "suite/fuzz.rs"]
mod fuzz;
#[path = "suite/lines.rs"]
mod lines;
#[path = "suite/prefixed.rs"]
mod prefixed;
