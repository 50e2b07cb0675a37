//! A network filter for Envoy that takes each piece of what comes into its memory and lets it pass. It is called for what
//! goes back as well, and does not look at that.
#![allow(missing_docs, reason = "what the macro makes has no words of its own")]

use std::hint::black_box;

use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {}

impl StreamContext for Stream {
    fn on_downstream_data(&mut self, size: usize, _: bool) -> Action {
        black_box(self.get_downstream_data(0, size));
        Action::Continue
    }
}
