//! Errors of core modules, for plugin authors.

use std::fmt;
use std::fmt::Display;

use crate::contract::{HANDLER, PACKAGE, VERSION, interface};
use crate::log::text::GuestText;

/// Why a component cannot be made of a core module: the cause, its place, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleFault {
    /// The file is not WebAssembly.
    NotWasm,
    /// The file has the header of a module, but is invalid.
    Invalid(GuestText),
    /// It does not export `handler`, which every plugin does.
    NoHandler,
    /// The contract has no such interface; the most similar one.
    UnknownInterface(GuestText, Option<String>),
    /// This program does not have this version of the contract.
    OtherVersion(GuestText),
    /// It uses two versions of the contract.
    TwoVersions(String, String),
    /// It exports an interface without these functions.
    MissingFunctions(String, Vec<String>),
    /// The interface has no such function; the most similar one.
    UnknownFunction(String, GuestText, Option<String>),
    /// It does not export `cabi_realloc`, by which the host allocates arguments in its memory.
    NoRealloc,
    /// It does not export its memory.
    NoMemory,
    /// It imports a function that is in no interface.
    ForeignImport(GuestText, GuestText),
    /// A function has another type than in the contract, or the encoder refuses the module for another reason.
    Unfit(GuestText),
}

/// The error of the encoder with its causes, the innermost last.
pub(super) fn chain(error: impl Display) -> ModuleFault {
    ModuleFault::Unfit(GuestText::cause(format_args!("{error:#}")))
}

impl std::error::Error for ModuleFault {}

impl Display for ModuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleFault::NotWasm => f.write_str(
                "not a WebAssembly file; correct `output`, or what the command writes there",
            ),
            ModuleFault::Invalid(cause) => {
                write!(f, "not a valid module: {cause}; build it again")
            }
            ModuleFault::NoHandler => {
                let handler = interface(HANDLER);
                write!(
                    f,
                    "it exports nothing of {handler}, which every plugin must; export its functions, as in \
                     `{handler}#[method]connection.receive-data`, and see that the linker keeps them"
                )
            }
            ModuleFault::UnknownInterface(name, near) => {
                write!(f, "the contract has no interface {PACKAGE}/{name}")?;
                remedy(f, near.as_deref(), "write one of those in wit/README.md")
            }
            ModuleFault::OtherVersion(found) => write!(
                f,
                "it is built for {PACKAGE}@{found}, and this is {VERSION}; build it with the SDK of this version, \
                 which `sandloop new` writes, or take a sandloop that knows {found}"
            ),
            ModuleFault::TwoVersions(one, other) => write!(
                f,
                "it names {PACKAGE} in two versions, {one} and {other}; build all of it with one SDK"
            ),
            ModuleFault::MissingFunctions(interface, missing) => {
                let names: Vec<_> = missing.iter().map(|name| format!("`{interface}#{name}`")).collect();
                write!(
                    f,
                    "it exports {interface} without {}; export those too, or nothing of this interface",
                    names.join(", ")
                )
            }
            ModuleFault::UnknownFunction(interface, name, near) => {
                write!(f, "{interface} has no function `{name}`")?;
                remedy(f, near.as_deref(), "see its file in wit/")
            }
            ModuleFault::NoRealloc => f.write_str(
                "it does not export `cabi_realloc`, by which the host puts data into its memory; export it: \
                 (old address, old size, alignment, new size) -> address, all of them i32",
            ),
            ModuleFault::NoMemory => {
                f.write_str("it does not export its memory; export it under the name `memory`")
            }
            ModuleFault::ForeignImport(module, name) => write!(
                f,
                "it imports `{name}` from `{module}`, which no host of plugins gives; link it into the module, or leave out \
                 what needs it: there are {PACKAGE}/…@{VERSION} and wasi_snapshot_preview1"
            ),
            ModuleFault::Unfit(cause) => write!(
                f,
                "it does not fit the contract: {cause}; give its functions the types of the canonical ABI"
            ),
        }
    }
}

fn remedy(f: &mut fmt::Formatter<'_>, near: Option<&str>, otherwise: &str) -> fmt::Result {
    match near {
        Some(near) => write!(f, "; did you mean `{near}`?"),
        None => write!(f, "; {otherwise}"),
    }
}
