//! Lines, and blocks of bytes between them.

use std::{
    cell::{Cell, RefCell},
    fmt,
    ops::Deref,
    rc::{Rc, Weak},
    time::Duration,
};

use sandloop_frames::lines::{LineDecoder, LineError, LineEvent, LineLimits};

use crate::{
    connection::{Connection, Drain},
    reactor::try_next_tick,
    sockets::Socket,
    transport::Transport,
    types::CloseReason,
};

/// A connection of lines, and of blocks between them: EventMachine's `LineText2`.
///
/// It is made of a [`Socket`], or of a [`LineSocket`] if it sets modes, and of the listener's
/// [`Options`](crate::Options) if it wants them.
///
/// Two things are otherwise than in EventMachine: a delimiter of several bytes is found where it is cut, too; and a mode
/// that is set between two pieces of the stream, by a timer say, loses nothing: the beginning of a line or a block that
/// has come is read in the new mode.
pub trait LineText2: 'static {
    /// As [`Connection::post_init`].
    fn post_init(&mut self) {}

    /// As [`Connection::connection_completed`].
    fn connection_completed(&mut self) {}

    /// A line without its delimiter; where that is `\n`, without a `\r` before it, too.
    fn receive_line(&mut self, line: &[u8]);

    /// A block: of the size that was set, whole; without a size, whatever has come. At the connection's end what has come
    /// of a block is given, too, and may be short.
    fn receive_binary_data(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// A block of a size was given just before. Lines follow, unless a mode was set.
    fn receive_end_of_binary_data(&mut self) {}

    /// The peer has sent more than [`limits`](Self::limits) says, or a mode was set that cannot be. The connection closes
    /// once what this sends is written.
    fn receive_error(&mut self, error: LineError) {
        let _ = error;
    }

    /// How much is taken. Asked once, before `post_init`.
    fn limits(&self) -> LineLimits {
        LineLimits::default()
    }

    /// As [`Connection::drained`].
    fn drained(&mut self) {}

    /// As [`Connection::draining`].
    fn draining(&mut self, within: Duration) -> Drain {
        let _ = within;
        Drain::WhenIdle
    }

    /// As [`Connection::unbind`].
    fn unbind(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// Makes a connection for [`connect`](crate::connect): `connect(host, port, Client::connection(Client::new))`.
    fn connection(
        make: impl FnOnce(LineSocket) -> Self + 'static,
    ) -> impl FnOnce(Socket) -> LineConnection<Self> + 'static
    where
        Self: Sized,
    {
        move |socket| LineConnection::new(socket, make)
    }
}

/// The socket of a [`LineText2`], which says what the next bytes are. Clones are the same handle.
///
/// What is set holds from the next byte on that no callback was given. Set outside the connection's callbacks, it may
/// complete something that has come already; that is delivered in a tick.
#[derive(Clone)]
pub struct LineSocket {
    socket: Socket,
    modes: Rc<Modes>,
}

impl LineSocket {
    /// What ends a line: any bytes, at least one; `\n` at first. With an empty one the connection ends with
    /// [`EmptyDelimiter`](LineError::EmptyDelimiter).
    pub fn set_delimiter(&self, delimiter: impl AsRef<[u8]>) {
        self.modes.set(|decoder| decoder.set_delimiter(delimiter.as_ref()));
    }

    /// Lines follow, and before all that comes `thrown_back`: what a block had too much, or nothing.
    pub fn set_line_mode(&self, thrown_back: impl AsRef<[u8]>) {
        self.modes.set(|decoder| decoder.set_line_mode(thrown_back.as_ref()));
    }

    /// A block of so many bytes follows, and then lines; with `None` a block without an end. With more than
    /// [`LineLimits::binary`] the connection ends with [`BinaryTooLarge`](LineError::BinaryTooLarge).
    pub fn set_text_mode(&self, size: impl Into<Option<usize>>) {
        self.modes.set(|decoder| decoder.set_text_mode(size));
    }

    /// As [`set_text_mode`](Self::set_text_mode).
    pub fn set_binary_mode(&self, size: impl Into<Option<usize>>) {
        self.set_text_mode(size);
    }
}

impl Deref for LineSocket {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl fmt::Debug for LineSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// The decoder, which the handler's handle shares.
pub(super) struct Modes {
    decoder: RefCell<LineDecoder>,
    /// A callback runs, after which the decoder goes on, or a tick will see to it.
    is_attended: Cell<bool>,
    driver: RefCell<Weak<dyn Attend>>,
}

impl Modes {
    pub(super) fn new() -> Rc<Modes> {
        Rc::new(Modes {
            decoder: RefCell::new(LineDecoder::new(LineLimits::default())),
            is_attended: Cell::new(false),
            driver: RefCell::new(Weak::<Driver<Nobody>>::new()),
        })
    }

    pub(super) fn set(&self, set: impl FnOnce(&mut LineDecoder)) {
        set(&mut self.decoder.borrow_mut());
        let driver = self.driver.borrow().upgrade();
        if let Some(driver) = driver.filter(|_| !self.is_attended.get())
            && self.decoder.borrow().is_due()
        {
            driver.attend_later();
        }
    }
}

/// What a changed mode calls, whatever the handler's type.
trait Attend {
    /// Delivers pending lines in a tick.
    fn attend_later(self: Rc<Self>);
}

/// Stands for no handler before there is one.
enum Nobody {}

impl LineText2 for Nobody {
    fn receive_line(&mut self, _: &[u8]) {}
}

/// A connection of a [`LineText2`].
pub struct LineConnection<L>(Rc<Driver<L>>);

pub(super) struct Driver<L> {
    handler: RefCell<L>,
    modes: Rc<Modes>,
    transport: Rc<dyn Transport>,
}

impl<L: LineText2> LineConnection<L> {
    pub(super) fn new(socket: Socket, make: impl FnOnce(LineSocket) -> L) -> LineConnection<L> {
        let modes = Modes::new();
        let transport = Rc::new(socket.clone());
        let handler = make(LineSocket { socket, modes: modes.clone() });
        LineConnection(Driver::start(handler, modes, transport))
    }
}

impl<L: LineText2> Driver<L> {
    pub(super) fn start(
        handler: L,
        modes: Rc<Modes>,
        transport: Rc<dyn Transport>,
    ) -> Rc<Driver<L>> {
        modes.decoder.borrow_mut().set_limits(handler.limits());
        let driver = Rc::new(Driver { handler: RefCell::new(handler), modes, transport });
        let weak: Weak<Driver<L>> = Rc::downgrade(&driver);
        *driver.modes.driver.borrow_mut() = weak;
        driver
    }

    /// Calls the handler. A mode that it sets is applied afterwards.
    pub(super) fn call(&self, call: impl FnOnce(&mut L)) {
        self.modes.is_attended.set(true);
        call(&mut self.handler.borrow_mut());
        self.receive(b"");
    }

    pub(super) fn receive(&self, mut data: &[u8]) {
        self.modes.is_attended.set(true);
        loop {
            let event = self.modes.decoder.borrow_mut().decode(&mut data);
            let mut handler = self.handler.borrow_mut();
            match event {
                Ok(None) => break,
                Ok(Some(LineEvent::Line(line))) => handler.receive_line(&line),
                Ok(Some(LineEvent::Binary(block))) => handler.receive_binary_data(&block),
                Ok(Some(LineEvent::BinaryEnd)) => handler.receive_end_of_binary_data(),
                Err(error) => {
                    handler.receive_error(error);
                    super::end(&*self.transport, &error);
                }
            }
        }
        self.modes.is_attended.set(false);
    }

    pub(super) fn unbind(&self, reason: CloseReason) {
        // What was set just before is still due.
        self.receive(b"");
        self.modes.is_attended.set(true);
        let rest = self.modes.decoder.borrow_mut().finish();
        let mut handler = self.handler.borrow_mut();
        if let Some(rest) = rest {
            handler.receive_binary_data(&rest);
        }
        handler.unbind(reason);
    }
}

impl<L: LineText2> Attend for Driver<L> {
    fn attend_later(self: Rc<Self>) {
        self.modes.is_attended.set(true);
        let driver = self.clone();
        if let Err(error) = try_next_tick(move || driver.receive(b"")) {
            crate::error!("closing a connection, because a mode cannot be set: {error}");
            self.transport.close();
        }
    }
}

impl<L: LineText2> Connection for LineConnection<L> {
    fn post_init(&mut self) {
        self.0.call(L::post_init);
    }

    fn connection_completed(&mut self) {
        self.0.call(L::connection_completed);
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.0.receive(data);
    }

    fn drained(&mut self) {
        self.0.call(L::drained);
    }

    fn draining(&mut self, within: Duration) -> Drain {
        let mut drain = Drain::WhenIdle;
        self.0.call(|handler| drain = handler.draining(within));
        drain
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.0.unbind(reason);
    }
}
