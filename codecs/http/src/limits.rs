//! The limits of the decoders: their defaults, and the status when one is exceeded.

/// The limits on a peer's messages. The defaults suit a public server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, from the first line to the empty one; also of the trailers. Exceeded: 431.
    pub head: usize,
    /// Header fields of a head; also of the trailers. At most [`Limits::HEADERS_MAX`]. Exceeded: 431.
    pub headers: usize,
    /// Bytes of a request's target. Exceeded: 414.
    pub target: usize,
    /// Bytes of a body, whether its length is announced or not. Exceeded: 413.
    pub body: u64,
    /// Bytes of all chunk extensions of a body, which are ignored. Exceeded: 400.
    pub chunk_extensions: usize,
}

impl Limits {
    /// The most fields of a head.
    pub const HEADERS_MAX: usize = 128;

    /// For a server: 16 KiB of head, 100 fields, 8 KiB of target, 1 MiB of body.
    pub const SERVER: Limits = Limits {
        head: 16 * 1024,
        headers: 100,
        target: 8 * 1024,
        body: 1024 * 1024,
        chunk_extensions: 4 * 1024,
    };

    /// For a client: 64 KiB of head, [`Limits::HEADERS_MAX`] fields, any body.
    pub const CLIENT: Limits = Limits {
        head: 64 * 1024,
        headers: Limits::HEADERS_MAX,
        target: 8 * 1024,
        body: u64::MAX,
        chunk_extensions: 64 * 1024,
    };
}
