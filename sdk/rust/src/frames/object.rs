//! Objects behind their length.

mod serializer;

use std::{error::Error, fmt, marker::PhantomData, ops::Deref, rc::Rc, time::Duration};

use sandloop_frames::prefixed::{PrefixedDecoder, PrefixedError, encode};

pub use self::serializer::{Bytes, Dump, Json, Load, Postcard};
use crate::{
    connection::{Connection, Drain},
    sockets::Socket,
    transport::Transport,
    types::CloseReason,
};

/// A connection of objects: EventMachine's `ObjectProtocol`. Before each object stand four bytes of length, the most
/// significant first; [`Serializer`](Self::Serializer) says how an object becomes bytes.
///
/// ```no_run
/// use sandloop::frames::{Json, ObjectProtocol, ObjectSocket};
///
/// struct Adder(ObjectSocket<Adder>);
///
/// impl ObjectProtocol for Adder {
///     type Object = Vec<i64>;
///     type Serializer = Json;
///
///     fn receive_object(&mut self, numbers: Vec<i64>) {
///         self.0.send_object(&numbers.iter().sum::<i64>()).expect("a number can be written");
///     }
/// }
///
/// sandloop::plugin! { handlers: [Adder] }
/// ```
pub trait ObjectProtocol: Sized + 'static {
    /// The type of received objects.
    type Object;

    /// How it is written: [`Json`], [`Postcard`], [`Bytes`], or one of the plugin's own.
    type Serializer: Load<Self::Object>;

    /// As [`Connection::post_init`].
    fn post_init(&mut self) {}

    /// As [`Connection::connection_completed`].
    fn connection_completed(&mut self) {}

    /// An object.
    fn receive_object(&mut self, object: Self::Object);

    /// What has come is no such object, or a larger one than [`object_max`](Self::object_max). The connection closes
    /// once what this sends is written.
    fn receive_error(&mut self, error: ObjectError) {
        let _ = error;
    }

    /// Bytes of an object; 1 MiB unless it is said. Asked once, before `post_init`.
    fn object_max(&self) -> usize {
        1024 * 1024
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

    /// Makes a connection for [`connect`](crate::connect): `connect(host, port, Client::connection(Client))`.
    fn connection(
        make: impl FnOnce(ObjectSocket<Self>) -> Self + 'static,
    ) -> impl FnOnce(Socket) -> ObjectConnection<Self> + 'static {
        move |socket| ObjectConnection::new(socket, make)
    }
}

/// The socket of an [`ObjectProtocol`], which sends objects. Clones are the same handle.
pub struct ObjectSocket<P> {
    socket: Socket,
    protocol: PhantomData<fn() -> P>,
}

impl<P: ObjectProtocol> ObjectSocket<P> {
    /// Sends an object; of another type, too, if the serializer can write it. As with
    /// [`send_data`](Socket::send_data) nothing happens where the connection is closed.
    ///
    /// # Errors
    /// `Object` where it cannot be written, `Frame` where four bytes cannot say its length.
    pub fn send_object<T: ?Sized>(&self, object: &T) -> Result<(), ObjectError>
    where
        P::Serializer: Dump<T>,
    {
        self.socket.send_data(framed::<P::Serializer, T>(object)?);
        Ok(())
    }
}

/// The bytes of an object.
pub(super) fn framed<S: Dump<T>, T: ?Sized>(object: &T) -> Result<Vec<u8>, ObjectError> {
    let bytes = S::dump(object).map_err(ObjectError::Object)?;
    let mut out = Vec::with_capacity(size_of::<u32>() + bytes.len());
    encode(&bytes, &mut out).map_err(ObjectError::Frame)?;
    Ok(out)
}

impl<P> Clone for ObjectSocket<P> {
    fn clone(&self) -> Self {
        ObjectSocket { socket: self.socket.clone(), protocol: PhantomData }
    }
}

impl<P> Deref for ObjectSocket<P> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl<P> fmt::Debug for ObjectSocket<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// Why an object does not come or cannot be sent.
#[derive(Debug)]
pub enum ObjectError {
    /// It is too large.
    Frame(PrefixedError),
    /// It cannot be serialized, or the bytes are not such an object: the error of the serializer.
    Object(Box<dyn Error>),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::Frame(error) => error.fmt(f),
            ObjectError::Object(error) => write!(f, "no object of this type: {error}"),
        }
    }
}

impl Error for ObjectError {}

/// A connection of an [`ObjectProtocol`].
pub struct ObjectConnection<P> {
    handler: P,
    decoder: PrefixedDecoder,
    transport: Rc<dyn Transport>,
    is_over: bool,
}

impl<P: ObjectProtocol> ObjectConnection<P> {
    pub(super) fn new(
        socket: Socket,
        make: impl FnOnce(ObjectSocket<P>) -> P,
    ) -> ObjectConnection<P> {
        let transport = Rc::new(socket.clone());
        ObjectConnection::start(make(ObjectSocket { socket, protocol: PhantomData }), transport)
    }

    pub(super) fn start(handler: P, transport: Rc<dyn Transport>) -> ObjectConnection<P> {
        let decoder = PrefixedDecoder::new(handler.object_max());
        ObjectConnection { handler, decoder, transport, is_over: false }
    }

    fn next(&mut self, data: &mut &[u8]) -> Result<Option<P::Object>, ObjectError> {
        let Some(frame) = self.decoder.decode(data).map_err(ObjectError::Frame)? else {
            return Ok(None);
        };
        P::Serializer::load(frame).map(Some).map_err(ObjectError::Object)
    }
}

impl<P: ObjectProtocol> Connection for ObjectConnection<P> {
    fn post_init(&mut self) {
        self.handler.post_init();
    }

    fn connection_completed(&mut self) {
        self.handler.connection_completed();
    }

    fn receive_data(&mut self, mut data: &[u8]) {
        while !self.is_over {
            match self.next(&mut data) {
                Ok(None) => return,
                Ok(Some(object)) => self.handler.receive_object(object),
                Err(error) => {
                    self.is_over = true;
                    let told = error.to_string();
                    self.handler.receive_error(error);
                    super::end(&*self.transport, &told);
                }
            }
        }
    }

    fn drained(&mut self) {
        self.handler.drained();
    }

    fn draining(&mut self, within: Duration) -> Drain {
        self.handler.draining(within)
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.handler.unbind(reason);
    }
}
