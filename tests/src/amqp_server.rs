//! A scripted broker, for the behaviour that a real one does not have: it cuts, damages, stays silent and closes with any code.
//!
//! A test either speaks for itself, step by step ([`AmqpServer::accept`]), or plays a list of steps with some [`Damage`] and
//! gets the client's reaction ([`Session::play`]).

use std::io::ErrorKind;
use std::thread::{self, JoinHandle};

use crate::peer::{Peer, Server};

pub mod frame;

use frame::{Frame, PROTOCOL_HEADER};

/// More than the client of any test sends in one frame.
const FRAME_MOST: usize = 16 << 20;

/// A listener whose answers a test determines.
#[derive(Debug)]
pub struct AmqpServer(Server);

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waits for the protocol header.
    ExpectHeader,
    /// Waits for this class and method; heartbeats and content before it are skipped.
    Expect(u16, u16),
    /// Sends bytes.
    Send(Vec<u8>),
    /// Closes without `connection.close`.
    Close,
}

/// The damage to the bytes that a script sends, counted from the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// This number of bytes is sent, then the stream ends.
    CutAt(usize),
    /// These bits of the byte at this place are changed. From then on the script waits for nothing, since the client's reaction
    /// is unknown: it sends the rest, and the stream ends.
    Flip(usize, u8),
    /// Each byte is sent separately.
    EachAlone,
}

/// A client's reaction to a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Played {
    /// All steps were done.
    ToTheEnd,
    /// It closed with a code and a text, which the script has confirmed unless the stream was at its end.
    Closed(u16, String),
    /// It left without `connection.close`, before or after the stream's end.
    Left,
}

/// The number of bytes that a script sends: the number of places for [`Damage`].
pub fn length(steps: &[Step]) -> usize {
    let sent = steps.iter().map(|step| match step {
        Step::Send(bytes) => bytes.len(),
        _ => 0,
    });
    sent.sum()
}

/// The steps that open a connection, without heartbeats.
pub fn opening() -> Vec<Step> {
    vec![
        Step::ExpectHeader,
        Step::Send(frame::start("PLAIN")),
        Step::Expect(10, 11),
        Step::Send(frame::tune(0, 131_072, 0)),
        Step::Expect(10, 31),
        Step::Expect(10, 40),
        Step::Send(frame::open_ok()),
    ]
}

impl AmqpServer {
    /// Listens on a port of the kernel's choice.
    pub fn start() -> AmqpServer {
        AmqpServer(Server::tcp())
    }

    /// `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        self.0.address()
    }

    /// `amqp://guest:guest@127.0.0.1:41234/%2F`.
    pub fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2F", self.address())
    }

    /// The next connection.
    #[track_caller]
    pub fn accept(&self) -> Session {
        Session { peer: self.0.accept(), damage: Damage::None, sent: 0 }
    }

    /// Plays these steps to the next connection and ends it, on a separate thread.
    pub fn play(self, steps: Vec<Step>, damage: Damage) -> JoinHandle<Played> {
        thread::spawn(move || self.accept().play(&steps, damage))
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    damage: Damage,
    sent: usize,
}

impl Session {
    /// Plays steps to their end, or until the client closes; then the connection ends.
    #[track_caller]
    pub fn play(mut self, steps: &[Step], damage: Damage) -> Played {
        (self.damage, self.sent) = (damage, 0);
        for step in steps {
            match step {
                Step::ExpectHeader | Step::Expect(..) if self.is_deaf() => {}
                Step::ExpectHeader => self.expect_header(),
                Step::Expect(class, id) => match self.wait_method((*class, *id)) {
                    Ok(_) => {}
                    Err(end) => return end,
                },
                Step::Send(bytes) => {
                    self.send(bytes);
                    if self.is_cut() {
                        return self.end();
                    }
                }
                Step::Close => break,
            }
        }
        match (self.is_deaf(), self.end()) {
            (false, Played::Left) => Played::ToTheEnd,
            (_, end) => end,
        }
    }

    /// Plays the steps of [`opening`] one by one, with these limits.
    #[track_caller]
    pub fn open(&mut self, channel_max: u16, frame_max: u32, heartbeat: u16) {
        self.expect_header();
        self.send(frame::start("PLAIN EXTERNAL"));
        self.expect((10, 11));
        self.send(frame::tune(channel_max, frame_max, heartbeat));
        self.expect((10, 31));
        self.expect((10, 40));
        self.send(frame::open_ok());
    }

    /// Waits for the protocol header.
    #[track_caller]
    pub fn expect_header(&mut self) {
        self.peer.expect(PROTOCOL_HEADER);
    }

    /// Sends bytes, with the script's damage. If the client is gone, the next read notices.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let (mut bytes, start) = (bytes.as_ref().to_vec(), self.sent);
        self.sent += bytes.len();
        match self.damage {
            Damage::None => self.peer.try_send(bytes),
            Damage::CutAt(at) => {
                bytes.truncate(at.saturating_sub(start));
                self.peer.try_send(bytes);
            }
            Damage::Flip(at, bits) => {
                if let Some(byte) = at.checked_sub(start).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= bits;
                }
                self.peer.try_send(bytes);
            }
            Damage::EachAlone => bytes.iter().for_each(|byte| self.peer.try_send([*byte])),
        }
    }

    /// The client's next frame, of any kind; none if it has left.
    #[track_caller]
    pub fn frame(&mut self) -> Option<Frame> {
        let head = self.read(7)?;
        let mut head = frame::Reader::new(&head);
        let (kind, channel, size) = (head.number(1), head.number(2), head.number(4));
        let size = usize::try_from(size).expect("four bytes");
        assert!(size <= FRAME_MOST, "the client sends a frame of {size} bytes");
        let mut payload = self.read(size + 1)?;
        assert_eq!(payload.pop(), Some(frame::END), "the client's frame has another end");
        let channel = u16::try_from(channel).expect("two bytes");
        Some(Frame { kind: u8::try_from(kind).expect("a byte"), channel, payload })
    }

    /// Waits for this class and method; heartbeats and content before it are skipped.
    #[track_caller]
    pub fn expect(&mut self, method: (u16, u16)) -> Frame {
        match self.wait_method(method) {
            Ok(frame) => frame,
            Err(end) => panic!("{end:?}, and no {method:?}"),
        }
    }

    /// Waits for `connection.close` and confirms it; returns the code and the text.
    #[track_caller]
    pub fn expect_close(&mut self) -> (u16, String) {
        let frame = self.expect((10, 50));
        self.send(frame::close_ok());
        code_and_text(&frame)
    }

    /// Waits for the content that follows a `basic.publish`; returns the body. A test that needs the header gets it with
    /// [`Session::frame`].
    #[track_caller]
    pub fn expect_content(&mut self) -> Vec<u8> {
        let header = self.frame().expect("a header follows");
        assert_eq!(header.kind, frame::HEADER);
        let mut reader = frame::Reader::new(&header.payload);
        reader.take(4);
        let length = usize::try_from(reader.number(8)).expect("a length");
        let mut body = Vec::new();
        while body.len() < length {
            let piece = self.frame().expect("a body follows");
            assert_eq!(piece.kind, frame::BODY);
            body.extend(piece.payload);
        }
        body
    }

    /// Ends the stream and waits until the client has left; returns how it did.
    #[track_caller]
    pub fn end(&mut self) -> Played {
        self.peer.try_finish();
        let mut end = Played::Left;
        while let Some(frame) = self.frame() {
            if frame.method() == Some((10, 50)) {
                let (code, text) = code_and_text(&frame);
                end = Played::Closed(code, text);
            }
        }
        end
    }

    /// The connection below, for bytes that are not AMQP.
    pub fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    #[track_caller]
    fn wait_method(&mut self, method: (u16, u16)) -> Result<Frame, Played> {
        loop {
            let frame = self.frame().ok_or(Played::Left)?;
            match frame.method() {
                Some(came) if came == method => return Ok(frame),
                Some((10, 50)) => {
                    self.send(frame::close_ok());
                    let (code, text) = code_and_text(&frame);
                    return Err(Played::Closed(code, text));
                }
                Some(came) => panic!("{came:?} and not {method:?} comes"),
                None => {}
            }
        }
    }

    fn is_deaf(&self) -> bool {
        matches!(self.damage, Damage::Flip(at, _) if at < self.sent)
    }

    fn is_cut(&self) -> bool {
        matches!(self.damage, Damage::CutAt(at) if at <= self.sent)
    }

    /// Reads this number of bytes; none if the client has left before all of them came.
    #[track_caller]
    fn read(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut done = 0;
        while done < count {
            match self.peer.read(&mut bytes[done..]) {
                Ok(0) => return None,
                Ok(more) => done += more,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the client neither speaks nor leaves: {error}"),
            }
        }
        Some(bytes)
    }
}

fn code_and_text(close: &Frame) -> (u16, String) {
    let mut arguments = close.arguments();
    let code = u16::try_from(arguments.number(2)).expect("two bytes");
    (code, arguments.shortstr())
}
