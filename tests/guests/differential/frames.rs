//! Connections of lines, requests and objects: their callbacks are blocks named after the protocol.

use sandloop::{
    CloseReason, Socket,
    frames::{
        Bytes, HeaderAndContentProtocol, LineSocket, LineText2, ObjectProtocol, ObjectSocket,
    },
    spawn::Step,
};

use crate::{
    run,
    script::{On, Words},
    sockets::name_of,
};

fn event(name: &str, argument: &[u8], on: &On) {
    // Two words would be two words of a step.
    let argument = argument.escape_ascii().to_string().replace(' ', "_");
    run(name, &argument, on);
}

/// `EM::P::LineText2`.
pub struct Lines(LineSocket);

impl Lines {
    pub fn accepted(socket: LineSocket) -> Self {
        Lines(socket)
    }

    fn event(&self, name: &str, argument: &[u8]) {
        event(&format!("lines.{name}"), argument, &On::Lines(self.0.clone()));
    }
}

impl LineText2 for Lines {
    fn post_init(&mut self) {
        self.event("post_init", b"");
    }

    fn receive_line(&mut self, line: &[u8]) {
        self.event("receive_line", line);
    }

    fn receive_binary_data(&mut self, data: &[u8]) {
        self.event("receive_binary_data", data);
    }

    fn receive_end_of_binary_data(&mut self) {
        self.event("receive_end_of_binary_data", b"");
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.event("unbind", name_of(reason).as_bytes());
    }
}

/// `EM::P::HeaderAndContentProtocol`.
pub struct Content(Socket);

impl Content {
    pub fn accepted(socket: Socket) -> Self {
        Content(socket)
    }

    fn event(&self, name: &str, argument: &[u8]) {
        event(&format!("content.{name}"), argument, &On::Socket(self.0.clone()));
    }
}

impl HeaderAndContentProtocol for Content {
    fn receive_request(&mut self, headers: Vec<Vec<u8>>, content: Vec<u8>) {
        self.event("receive_request", &[&*headers.join(&b'|'), b"=", &*content].concat());
    }

    fn receive_headers(&mut self, headers: &[Vec<u8>]) {
        self.event("receive_headers", headers.len().to_string().as_bytes());
    }

    fn receive_first_header_line(&mut self, line: &[u8]) {
        self.event("receive_first_header_line", line);
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.event("unbind", name_of(reason).as_bytes());
    }
}

/// `EM::P::ObjectProtocol`, whose objects are bytes.
pub struct Objects(ObjectSocket<Objects>);

impl Objects {
    pub fn accepted(socket: ObjectSocket<Objects>) -> Self {
        Objects(socket)
    }

    fn event(&self, name: &str, argument: &[u8]) {
        event(&format!("objects.{name}"), argument, &On::Objects(self.0.clone()));
    }
}

impl ObjectProtocol for Objects {
    type Object = Vec<u8>;
    type Serializer = Bytes;

    fn receive_object(&mut self, object: Vec<u8>) {
        self.event("receive_object", &object);
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.event("unbind", name_of(reason).as_bytes());
    }
}

pub fn step(words: &Words, on: &On) -> Option<Step<String>> {
    let text = words.rest().replace("\\n", "\n");
    match (words.operation(), on) {
        ("delimiter", On::Lines(socket)) => socket.set_delimiter(text),
        ("line_mode", On::Lines(socket)) => socket.set_line_mode(text),
        ("text_mode", On::Lines(socket)) => socket.set_text_mode(text.parse::<usize>().ok()),
        ("send_object", On::Objects(socket)) => {
            socket.send_object(text.as_bytes()).expect("bytes can be written");
        }
        _ => return None,
    }
    Some(Step::Done)
}
