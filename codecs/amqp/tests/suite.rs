//! The session against a broker that is a script.
