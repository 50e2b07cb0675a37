//! The client without sockets: the test is the broker.
