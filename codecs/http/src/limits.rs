//! Every bound of the decoders: its default and what happens at it.

/// How much a peer may send. The defaults suit a server that faces strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, from the first line to the empty one; also of the trailers. At it: 431.
    pub head: usize,
    /// Header fields of a head; also of the trailers. No more than [`Limits::HEADERS_MAX`]. At it: 431.
    pub headers: usize,
    /// Bytes of a request's target. At it: 414.
    pub target: usize,
    /// Bytes of a body, whether its length is told or not. At it: 413.
    pub body: u64,
    /// Bytes of all the chunk extensions of a body; they mean nothing to anybody. At it: 400.
    pub chunk_extensions: usize,
}

impl Limits {
    /// What a head can hold at all.
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
