//! From a plugin's types to the exports for the host: the `plugin!` macro and its glue.

mod class;
mod glue;
pub(crate) mod make;

pub use self::class::{Class, Handler, ProcessClass};
pub use self::glue::{Glue, Held, Start, check_connections, check_program};
pub use self::make::{Made, Make, MakeProcess};

/// Makes the crate a plugin. Called once, at its root.
///
/// `handlers` are what makes the connections of listeners: a tuple struct of one [`Socket`](crate::Socket), which makes
/// itself, or a function of a socket, or of a socket and the listener's options. A handler's name, which a
/// `[[listen]]` section gives as `handler`, is its type's in lower case unless one is given.
///
/// `processes` are what makes [processes](crate::processes): functions of nothing, of the argument as `&[u8]`, or of a
/// [`ProcessId`](crate::processes::ProcessId) and the argument, which return a process or a
/// [`Result`](crate::Result) with one. They are named as handlers are.
///
/// `program` is the [`Program`](crate::Program) around them, for a plugin that has one.
///
/// Any of the three may be left out.
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
    // The keys, in whichever order.
    (@ $_:tt $processes:tt $program:tt handlers: $handlers:tt $(, $($rest:tt)*)?) => {
        $crate::plugin! { @ $handlers $processes $program $($($rest)*)? }
    };
    (@ $handlers:tt $_:tt $program:tt processes: $processes:tt $(, $($rest:tt)*)?) => {
        $crate::plugin! { @ $handlers $processes $program $($($rest)*)? }
    };
    (@ $handlers:tt $processes:tt $_:tt program: $program:ty $(, $($rest:tt)*)?) => {
        $crate::plugin! { @ $handlers $processes [$program] $($($rest)*)? }
    };
    (
        @ [$($($name:literal =>)? $make:path),* $(,)?]
        [$($($process_name:literal =>)? $process:path),* $(,)?]
        [$($program:ty)?]
    ) => {
        const _: () = {
            struct Plugin;

            impl $crate::plugin::Classes for Plugin {
                const HANDLERS: &'static [$crate::plugin::Handler] = &[$(
                    $crate::plugin::Class {
                        path: ::std::stringify!($make),
                        name: [$($name,)? ""][0],
                        make: |socket, options| {
                            $crate::plugin::Make::make($make, socket, options)
                        },
                    }
                ),*];
                const PROCESSES: &'static [$crate::plugin::ProcessClass] = &[$(
                    $crate::plugin::Class {
                        path: ::std::stringify!($process),
                        name: [$($process_name,)? ""][0],
                        make: |id, argument| {
                            $crate::plugin::MakeProcess::make($process, id, argument)
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
    (@ $($_:tt)*) => {
        ::std::compile_error!(
            "plugin! takes `handlers: [Echo, \"name\" => Pass::new]`, `processes: [Counter::new]` and \
             `program: Start`, each of them or not"
        );
    };
    ($($keys:tt)*) => {
        $crate::plugin! { @ [] [] [] $($keys)* }
    };
}

/// What `plugin!` knows.
pub trait Classes: 'static {
    /// In the order they were given.
    const HANDLERS: &'static [Handler];
    /// In the order they were given.
    const PROCESSES: &'static [ProcessClass];
}
