//! Why a core module is no plugin, in words for its author.

use std::fmt;
use std::fmt::Display;

use crate::contract::{HANDLER, PACKAGE, VERSION, interface};
use crate::log::text::GuestText;

/// Why a core module does not become a component: the cause, where it is, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleFault {
    /// The file is not WebAssembly.
    NotWasm,
    /// It begins as a module does, and is none.
    Invalid(GuestText),
    /// It does not export what every plugin does.
    NoHandler,
    /// It names an interface that the contract does not have; the one that it most likely means.
    UnknownInterface(GuestText, Option<String>),
    /// It names a version of the contract that this program does not know.
    OtherVersion(GuestText),
    /// It names two versions of the contract.
    TwoVersions(String, String),
    /// It exports an interface without these of its functions.
    MissingFunctions(String, Vec<String>),
    /// An interface has no such function; the one that it most likely means.
    UnknownFunction(String, GuestText, Option<String>),
    /// It does not export the function by which the host puts arguments into its memory.
    NoRealloc,
    /// It does not export its memory.
    NoMemory,
    /// It imports what nobody gives.
    ForeignImport(GuestText, GuestText),
    /// A function of it has another type than the contract says, or another part does not fit.
    Unfit(GuestText),
}

/// What the encoder says, the innermost cause last.
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
