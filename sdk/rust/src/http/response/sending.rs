//! How an answer is sent, and what becomes of one that cannot be.

use sandloop_http::{
    Headers, StatusCode,
    writer::{BodyWriter, Outgoing, OutgoingResponse, check_reserved, write_response},
};

use super::{Problem, Response};
use crate::http::{
    clock::with_date,
    pipeline::AfterResponse,
    slices::Slices,
    stream::{Chunks, ResponseStream},
};

/// Content up to this size is sent with the head at once; larger content as the client reads it.
const AT_ONCE: usize = 64 * 1024;

impl Response {
    pub(super) fn send(&mut self) {
        self.check();
        let content = std::mem::take(&mut self.content);
        self.length = Some(content.len() as u64);
        let mut writer = self.begin();
        if content.len() <= AT_ONCE || writer == BodyWriter::None {
            let slot = self.slot.clone();
            if let Ok(frame) = writer.frame(content.len())
                && frame.sends
            {
                slot.send(&content);
            }
            slot.finish(self.after());
        } else {
            let stream = self.stream(writer);
            stream.send_each(Slices::new(content));
        }
    }

    /// Turns it into a 500 if it cannot be sent, and adds the fields that it must have.
    pub(super) fn check(&mut self) {
        if let Err(error) = check_reserved(&self.headers) {
            self.refuse(Problem::Field(error));
        }
        self.complete_fields();
        if let Some(problem) = self.problem.take() {
            crate::error!("answering with status 500: {problem}");
            self.status = StatusCode::INTERNAL_SERVER_ERROR;
            self.headers = Headers::new();
            (self.compressor, self.length) = (None, None);
            self.content = Vec::new();
        }
    }

    fn complete_fields(&mut self) {
        // RFC 9110, 15.5.22: it names the protocol, and this is the one that there is.
        if self.status == StatusCode::UPGRADE_REQUIRED && !self.headers.contains("upgrade") {
            self.header("Upgrade", "websocket");
        }
        // RFC 9110, 8.8.3.3: two byte streams have two strong tags, or share a weak one.
        if self.compressed
            && let Some(tag) = self.headers.get("etag").filter(|tag| tag.starts_with('"'))
        {
            let weak = format!("W/{tag}");
            self.header("ETag", weak);
        }
    }

    /// Writes the head.
    pub(super) fn begin(&mut self) -> BodyWriter {
        self.sent = true;
        let body = self.length.map_or(Outgoing::Unknown, Outgoing::Known);
        let is_last = self.slot.is_to_be_last() && self.status != StatusCode::SWITCHING_PROTOCOLS;
        // The next request would begin after the body, whose end has not come.
        if self.slot.is_body_pending() || is_last {
            self.exchange.keep_alive = false;
        }
        let (slot, exchange) = (&self.slot, &mut self.exchange);
        let (status, headers) = (self.status, &self.headers);
        let wanted = slot.settings().date && !headers.contains("date");
        let writer = slot.write(|out| {
            with_date(wanted, |date| {
                let response = OutgoingResponse { status, headers, body, date };
                write_response(out, exchange, &response)
            })
        });
        // Fails only if the connection has ended: `check` has refused reserved fields.
        writer.and_then(Result::ok).unwrap_or(BodyWriter::Ended)
    }

    fn after(&self) -> AfterResponse {
        if self.exchange.keep_alive { AfterResponse::Keep } else { AfterResponse::Close }
    }

    pub(super) fn stream(&mut self, writer: BodyWriter) -> ResponseStream {
        let after = self.after();
        let mut compressor = self.compressor.take();
        if writer == BodyWriter::None {
            // The response has no body: the producer is not called.
            compressor = None;
            self.slot.finish(after);
        }
        ResponseStream::new(self.slot.clone(), Chunks { writer, compressor, after })
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        if self.sent || !self.slot.is_open() {
            return;
        }
        crate::error!("a response was dropped and never sent; answering with status 500");
        self.problem = None;
        (self.status, self.headers) = (StatusCode::INTERNAL_SERVER_ERROR, Headers::new());
        self.length = Some(0);
        self.begin();
        self.slot.clone().finish(self.after());
    }
}
