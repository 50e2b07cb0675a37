//! From a plugin's types to what the host calls: the `plugin!` macro and the glue that it exports.

use std::{cell::RefCell, marker::PhantomData};

use crate::{
    bindings::{
        exports::sandloop::plugin::{
            catalog, handler, handler::Origin, ticks_handler, timers_handler,
        },
        program::exports::sandloop::plugin::lifecycle,
        sandloop::plugin::sockets as host,
    },
    connection::Connection,
    lifecycle::Program,
    options::Options,
    reactor,
    sockets::{self, Socket},
    timers,
    types::CloseReason,
};

/// Makes the crate a plugin. Called once, at its root.
///
/// `handlers` are what makes the connections of listeners: a tuple struct of one [`Socket`], which makes
/// itself, or a function of a socket, or of a socket and the listener's options. A handler's name, which a
/// `[[listen]]` section gives as `handler`, is its type's in lower case unless one is given.
/// `program` is the [`Program`] around them, for a plugin that has one.
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
    (program: $program:ty $(, handlers: [$($handlers:tt)*])? $(,)?) => {
        $crate::plugin! { handlers: [$($($handlers)*)?], program: $program }
    };
}

/// What `plugin!` knows.
pub trait Handlers: 'static {
    /// In the order they were given.
    const HANDLERS: &'static [Class];
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

/// The exports of every plugin.
pub struct Glue<H>(PhantomData<H>);

/// The host's hold on one connection.
pub struct Held<H> {
    connection: RefCell<Box<dyn Connection>>,
    handlers: PhantomData<H>,
}

impl<H: Handlers> handler::Guest for Glue<H> {
    type Connection = Held<H>;
}

impl<H: Handlers> handler::GuestConnection for Held<H> {
    fn new(socket: host::Socket, origin: Origin) -> Self {
        let socket = Socket::new(socket);
        let connection = match origin {
            Origin::Accepted(accepted) => {
                let class = find(H::HANDLERS, &accepted.handler).unwrap_or_else(|problem| {
                    panic!("listener {}: {problem}", accepted.listener);
                });
                (class.make)(socket, &accepted.options.into())
            }
            Origin::Connected(token) => match sockets::take_maker(token) {
                Some(make) => make(socket),
                None => panic!("no connect has the token {token}"),
            },
        };
        Held { connection: RefCell::new(connection), handlers: PhantomData }
    }

    fn post_init(&self) {
        self.connection.borrow_mut().post_init();
    }

    fn connection_completed(&self) {
        self.connection.borrow_mut().connection_completed();
    }

    fn receive_data(&self, data: Vec<u8>) {
        self.connection.borrow_mut().receive_data(&data);
    }

    fn drained(&self) {
        self.connection.borrow_mut().drained();
    }

    fn unbind(&self, reason: CloseReason) {
        self.connection.borrow_mut().unbind(reason);
    }
}

impl<H: Handlers> timers_handler::Guest for Glue<H> {
    fn timer_fired(id: u32) {
        timers::fire(id);
    }
}

impl<H: Handlers> ticks_handler::Guest for Glue<H> {
    fn tick(id: u32) {
        reactor::tick(id);
    }
}

impl<H: Handlers> catalog::Guest for Glue<H> {
    fn handlers() -> Vec<String> {
        H::HANDLERS.iter().map(|class| class.name().to_ascii_lowercase()).collect()
    }
}

/// The exports of a plugin with a program.
pub struct Start<P>(PhantomData<P>);

impl<P: Program> lifecycle::Guest for Start<P> {
    fn prepare() -> Result<(), String> {
        P::prepare().map_err(|error| error.to_string())
    }

    fn start() -> Result<(), String> {
        P::start().map_err(|error| error.to_string())
    }

    fn stopping() {
        P::stopping();
    }

    fn stopped() {
        P::stopped();
    }
}

/// In the place of the exports, whose names no linker but WebAssembly's takes: a plugin that is compiled for
/// the developer's own machine, for its unit tests say, is checked all the same.
pub const fn check_connections<E>()
where
    E: handler::Guest + timers_handler::Guest + ticks_handler::Guest + catalog::Guest,
{
}

/// As [`check_connections`].
pub const fn check_program<E: lifecycle::Guest>() {}

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
