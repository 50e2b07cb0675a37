//! The baseline's protocol: the same codec and the same answers as http-hello, without a sandbox.

use std::time::SystemTime;

use sandloop_http::{
    Headers, Limits, Method, RequestDecoder, RequestEvent, RequestHead, StatusCode, date,
    writer::{Outgoing, OutgoingResponse, write_response},
};

use crate::native::Protocol;

const PAGE: &[u8] = b"<center><h1>Wham-o</h1></center>";

/// One connection.
#[derive(Debug)]
pub struct Hello {
    decoder: RequestDecoder,
    request: Option<RequestHead>,
    content: Vec<u8>,
    second: u64,
    date: String,
    over: bool,
}

impl Hello {
    /// For a new connection.
    pub fn new() -> Hello {
        Hello {
            decoder: RequestDecoder::new(Limits::SERVER),
            request: None,
            content: Vec::new(),
            second: 0,
            date: String::new(),
            over: false,
        }
    }

    fn answer(&mut self, out: &mut Vec<u8>) {
        let Some(head) = self.request.take() else { return };
        let mut headers = Headers::new();
        let content = match head.method {
            Method::POST => std::mem::take(&mut self.content),
            _ => {
                // The name and the value are plain.
                _ = headers.append("Content-Type", "text/html");
                PAGE.to_vec()
            }
        };
        let mut exchange = head.exchange();
        let response = OutgoingResponse {
            status: StatusCode::OK,
            headers: &headers,
            body: Outgoing::Known(content.len() as u64),
            date: Some(&self.date),
        };
        let written = write_response(out, &mut exchange, &response);
        if let Ok(mut writer) = written {
            // As long as was said.
            _ = writer.write(&content, out);
        }
        self.over |= !exchange.keep_alive;
    }
}

impl Protocol for Hello {
    fn receive<'a>(&mut self, data: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second != second {
            (self.second, self.date) = (second, date::format(now));
        }
        let mut input = data;
        while !self.over {
            match self.decoder.decode(&mut input) {
                Ok(None) => break,
                Ok(Some(RequestEvent::Head(head))) => self.request = Some(head),
                Ok(Some(RequestEvent::Data(data))) => self.content.extend_from_slice(data),
                Ok(Some(RequestEvent::End(_))) => self.answer(scratch),
                Err(_) => self.over = true,
            }
        }
        scratch
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
