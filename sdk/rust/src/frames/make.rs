//! How [`plugin!`](crate::plugin) makes connections of lines and frames.

use super::{
    content::{ContentConnection, HeaderAndContentProtocol},
    lines::{LineConnection, LineSocket, LineText2},
    netstring::{NetstringConnection, NetstringProtocol},
    object::{ObjectConnection, ObjectProtocol, ObjectSocket},
};
use crate::{connection::Connection, options::Options, plugin::make::Make, sockets::Socket};

/// Functions of a handle, or of a handle and the listener's options, that return a handler of some protocol. The handle
/// that the connection gives becomes what the function takes.
macro_rules! makes {
    ($(#[$words:meta] $kind:ident: $protocol:ident of $($handle:ty),+ => $connection:ident;)+) => {$(
        #[$words]
        pub enum $kind {}
        makes! { @ $kind $protocol $connection $($handle),+ }
    )+};
    (@ $kind:ident $protocol:ident $connection:ident $($handle:ty),+) => {$(
        impl<F: FnOnce($handle) -> P, P: $protocol> Make<($handle, $kind)> for F {
            fn make(self, socket: Socket, _: &Options) -> Box<dyn Connection> {
                Box::new($connection::new(socket, |handle| self(handle.into())))
            }
        }

        impl<F: FnOnce($handle, &Options) -> P, P: $protocol> Make<($handle, Options, $kind)> for F {
            fn make(self, socket: Socket, options: &Options) -> Box<dyn Connection> {
                Box::new($connection::new(socket, |handle| self(handle.into(), options)))
            }
        }
    )+};
}

makes! {
    /// Of a [`LineText2`].
    Lines: LineText2 of Socket, LineSocket => LineConnection;
    /// Of a [`HeaderAndContentProtocol`].
    Requests: HeaderAndContentProtocol of Socket => ContentConnection;
    /// Of a [`NetstringProtocol`].
    Netstrings: NetstringProtocol of Socket => NetstringConnection;
    /// Of an [`ObjectProtocol`].
    Objects: ObjectProtocol of Socket, ObjectSocket<P> => ObjectConnection;
}

impl From<LineSocket> for Socket {
    fn from(socket: LineSocket) -> Socket {
        Socket::clone(&socket)
    }
}

impl<P> From<ObjectSocket<P>> for Socket {
    fn from(socket: ObjectSocket<P>) -> Socket {
        Socket::clone(&socket)
    }
}
