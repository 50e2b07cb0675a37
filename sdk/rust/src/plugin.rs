//! From a plugin's types to what the host calls: the `plugin!` macro and the glue that it exports.

mod glue;

pub use self::glue::{Glue, Held, Start, check_connections, check_program};
use crate::{
    connection::Connection,
    options::Options,
    processes::{Process, ProcessId},
    sockets::Socket,
};

/// Makes the crate a plugin. Called once, at its root.
///
/// `handlers` are what makes the connections of listeners: a tuple struct of one [`Socket`], which makes
/// itself, or a function of a socket, or of a socket and the listener's options. A handler's name, which a
/// `[[listen]]` section gives as `handler`, is its type's in lower case unless one is given.
/// `processes` are what makes [processes](crate::processes), in the same manner: functions of their argument.
/// `program` is the [`Program`](crate::Program) around them, for a plugin that has one.
///
/// ```no_run
/// use sandloop::{Connection, Options, Program, Socket};
///
/// struct Echo(Socket);
/// # impl Connection for Echo {}
///
/// struct Pass { socket: Socket, a: String }
/// # impl Connection for Pass {}
/// impl Pass {
///     fn new(socket: Socket, options: &Options) -> Self {
///         Pass { socket, a: options.get("a").unwrap_or_default().to_owned() }
///     }
/// }
///
/// struct Start;
/// # impl Program for Start { fn start() -> sandloop::Result { Ok(()) } }
///
/// sandloop::plugin! {
///     handlers: [Echo, Pass::new, "goodbye" => Pass::new],
///     program: Start,
/// }
/// ```
#[macro_export]
macro_rules! plugin {
    (
        handlers: [$($($name:literal =>)? $make:path),* $(,)?]
        $(, processes: [$($($process_name:literal =>)? $process:path),* $(,)?])?
        $(, program: $program:ty)? $(,)?
    ) => {
        const _: () = {
            struct Plugin;

            impl $crate::plugin::Handlers for Plugin {
                const HANDLERS: &'static [$crate::plugin::Class] = &[$(
                    $crate::plugin::Class {
                        path: ::std::stringify!($make),
                        name: [$($name,)? ""][0],
                        make: |socket, options| {
                            $crate::plugin::Make::make($make, socket, options)
                        },
                    }
                ),*];
                const PROCESSES: &'static [$crate::plugin::ProcessClass] = &[$($(
                    $crate::plugin::ProcessClass {
                        path: ::std::stringify!($process),
                        name: [$($process_name,)? ""][0],
                        make: |id, argument| {
                            $crate::plugin::MakeProcess::make($process, id, argument)
                        },
                    }
                ),*)?];
            }

            type Exported = $crate::plugin::Glue<Plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::export_connections!(Exported with_types_in $crate::bindings);
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = $crate::plugin::check_connections::<Exported>();

            $(
                type Started = $crate::plugin::Start<$program>;
                #[cfg(target_arch = "wasm32")]
                $crate::bindings::program::export_program!(
                    Started with_types_in $crate::bindings::program
                );
                #[cfg(not(target_arch = "wasm32"))]
                const _: () = $crate::plugin::check_program::<Started>();
            )?
        };
    };
    (
        program: $program:ty
        $(, handlers: [$($handlers:tt)*])?
        $(, processes: [$($processes:tt)*])? $(,)?
    ) => {
        $crate::plugin! {
            handlers: [$($($handlers)*)?],
            processes: [$($($processes)*)?],
            program: $program
        }
    };
    (processes: [$($processes:tt)*] $(,)?) => {
        $crate::plugin! { handlers: [], processes: [$($processes)*] }
    };
}

/// What `plugin!` knows.
pub trait Handlers: 'static {
    /// In the order they were given.
    const HANDLERS: &'static [Class];
    /// In the order they were given.
    const PROCESSES: &'static [ProcessClass];
}

/// One handler.
pub struct Class {
    /// As it was written: `Echo`, `Pass::new`, `http::Server::new`.
    pub path: &'static str,
    /// The name that was given, or nothing.
    pub name: &'static str,
    /// Makes a connection.
    pub make: fn(Socket, &Options) -> Box<dyn Connection>,
}

impl Class {
    /// The name that was given or else the type's, to be taken in lower case.
    fn name(&self) -> &'static str {
        match self.name {
            "" => type_name(self.path),
            name => name,
        }
    }
}

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

/// One kind of process.
pub struct ProcessClass {
    /// As it was written: `Counter::new`.
    pub path: &'static str,
    /// The name that was given, or nothing.
    pub name: &'static str,
    /// Makes a process.
    pub make: fn(ProcessId, &[u8]) -> Box<dyn Process>,
}

impl ProcessClass {
    fn name(&self) -> &'static str {
        match self.name {
            "" => type_name(self.path),
            name => name,
        }
    }
}

/// Anything that makes a process from its argument; `Arguments` says what else it is given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make processes",
    note = "a process is made by a function of a `&[u8]`, or of a `ProcessId` and a `&[u8]`, that returns a \
            `Process`"
)]
pub trait MakeProcess<Arguments> {
    /// Makes one.
    fn make(self, id: ProcessId, argument: &[u8]) -> Box<dyn Process>;
}

impl<F: FnOnce(&[u8]) -> P, P: Process> MakeProcess<(Vec<u8>,)> for F {
    fn make(self, _: ProcessId, argument: &[u8]) -> Box<dyn Process> {
        Box::new(self(argument))
    }
}

impl<F: FnOnce(ProcessId, &[u8]) -> P, P: Process> MakeProcess<(ProcessId, Vec<u8>)> for F {
    fn make(self, id: ProcessId, argument: &[u8]) -> Box<dyn Process> {
        Box::new(self(id, argument))
    }
}

/// The kind of process with this name.
fn find_process<'a>(classes: &'a [ProcessClass], name: &str) -> Result<&'a ProcessClass, String> {
    classes
        .iter()
        .find(|class| class.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| format!("this plugin has no process named {name:?}"))
}

/// The handler with this name; without a name, the only one.
fn find<'a>(classes: &'a [Class], name: &str) -> Result<&'a Class, String> {
    match classes {
        [only] if name.is_empty() => Ok(only),
        [] => Err("this plugin accepts no connections".to_owned()),
        _ => classes
            .iter()
            .find(|class| class.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("this plugin has no handler named {name:?}")),
    }
}

/// The last part of a path that looks like a type's name, or the last of all.
fn type_name(path: &str) -> &str {
    let plain = path.split_once('<').map_or(path, |(before, _)| before);
    let parts = || plain.rsplit("::").map(str::trim).filter(|part| !part.is_empty());
    parts()
        .find(|part| part.starts_with(char::is_uppercase))
        .or_else(|| parts().next())
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &'static str, name: &'static str) -> Class {
        Class { path, name, make: |_, _| unreachable!() }
    }

    #[test]
    fn a_handler_is_named_after_its_type() {
        let check = |path, name| assert_eq!(type_name(path), name);
        check("Echo", "Echo");
        check("Pass::new", "Pass");
        check("Pass :: new", "Pass");
        check("http::Server::new", "Server");
        check("handlers::Echo", "Echo");
        check("make_echo", "make_echo");
        check("Pool::<http::Server>::new", "Pool");
    }

    #[test]
    fn a_handler_is_found_by_its_name() {
        let classes = [class("Echo", ""), class("Pass::new", "goodbye")];
        assert_eq!(find(&classes, "echo").unwrap().path, "Echo");
        assert_eq!(find(&classes, "goodbye").unwrap().path, "Pass::new");
        assert!(find(&classes, "pass").is_err());
        assert!(find(&classes, "").is_err());
    }

    #[test]
    fn an_only_handler_needs_no_name() {
        let classes = [class("Echo", "")];
        assert_eq!(find(&classes, "").unwrap().path, "Echo");
        assert!(find(&classes, "pass").is_err());
        assert!(find(&[], "").is_err());
    }
}
