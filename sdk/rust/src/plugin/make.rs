//! What may be listed as a handler or as a process.

use std::error::Error;

use crate::{
    connection::Connection,
    options::Options,
    processes::{Process, ProcessId},
    sockets::Socket,
};

/// Anything that makes a connection from a socket; `Arguments` says what else it is given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make connections",
    note = "a handler is a function of a `Socket`, or of a `Socket` and `&Options`, that returns a \
            `Connection`; a tuple struct of one `Socket` is such a function"
)]
pub trait Make<Arguments> {
    /// Makes one.
    fn make(self, socket: Socket, options: &Options) -> Box<dyn Connection>;
}

impl<F: FnOnce(Socket) -> C, C: Connection> Make<(Socket,)> for F {
    fn make(self, socket: Socket, _: &Options) -> Box<dyn Connection> {
        Box::new(self(socket))
    }
}

impl<F: FnOnce(Socket, &Options) -> C, C: Connection> Make<(Socket, Options)> for F {
    fn make(self, socket: Socket, options: &Options) -> Box<dyn Connection> {
        Box::new(self(socket, options))
    }
}

/// Anything that creates a process; `Arguments` is the type of its arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make processes",
    note = "a process is made by a function of nothing, of a `&[u8]`, or of a `ProcessId` and a `&[u8]`, that returns \
            a `Process` or a `Result` with one"
)]
pub trait MakeProcess<Arguments> {
    /// Makes one.
    ///
    /// # Errors
    /// The error of the function.
    fn make(self, id: ProcessId, argument: &[u8]) -> crate::Result<Box<dyn Process>>;
}

impl<F: FnOnce() -> M, M: Made> MakeProcess<()> for F {
    fn make(self, _: ProcessId, _: &[u8]) -> crate::Result<Box<dyn Process>> {
        self().made()
    }
}

impl<F: FnOnce(&[u8]) -> M, M: Made> MakeProcess<(Vec<u8>,)> for F {
    fn make(self, _: ProcessId, argument: &[u8]) -> crate::Result<Box<dyn Process>> {
        self(argument).made()
    }
}

impl<F: FnOnce(ProcessId, &[u8]) -> M, M: Made> MakeProcess<(ProcessId, Vec<u8>)> for F {
    fn make(self, id: ProcessId, argument: &[u8]) -> crate::Result<Box<dyn Process>> {
        self(id, argument).made()
    }
}

/// A process, or a result with one.
pub trait Made {
    /// As the glue keeps it.
    ///
    /// # Errors
    /// The result's.
    fn made(self) -> crate::Result<Box<dyn Process>>;
}

impl<P: Process> Made for P {
    fn made(self) -> crate::Result<Box<dyn Process>> {
        Ok(Box::new(self))
    }
}

impl<P: Process, E: Into<Box<dyn Error>>> Made for Result<P, E> {
    fn made(self) -> crate::Result<Box<dyn Process>> {
        self.map(|process| Box::new(process) as Box<dyn Process>).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(String);

    impl Process for Named {
        fn notified(&mut self, message: &[u8]) {
            assert_eq!(message, self.0.as_bytes());
        }
    }

    fn alone() -> Named {
        Named("alone".to_owned())
    }

    fn of_argument(argument: &[u8]) -> crate::Result<Named> {
        Ok(Named(String::from_utf8(argument.to_vec())?))
    }

    fn of_both(id: ProcessId, argument: &[u8]) -> Named {
        Named(format!("{id} {}", argument.len()))
    }

    #[test]
    fn a_process_is_made_of_what_its_function_takes() {
        let check = |made: crate::Result<Box<dyn Process>>, name: &str| {
            made.unwrap().notified(name.as_bytes());
        };
        let id = ProcessId::from_u32(7);
        check(MakeProcess::make(alone, id, b"x"), "alone");
        check(MakeProcess::make(of_argument, id, b"x"), "x");
        check(MakeProcess::make(of_both, id, b"x"), "7 1");
        let error = MakeProcess::make(of_argument, id, &[0xff]).err().unwrap();
        assert!(error.to_string().contains("utf-8"), "{error}");
    }
}
