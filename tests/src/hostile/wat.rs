//! Guests that no compiler would make: the smallest world by hand, with some functions replaced.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

use crate::contract;

/// The parts of a guest that differ from a good one; each is a piece of a WebAssembly module.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// Everything besides the functions below.
    pub more: String,
    /// Pages of memory.
    pub pages: &'static str,
    /// The allocator's body.
    pub realloc: &'static str,
    /// `post-init`'s body.
    pub post_init: &'static str,
    /// `receive-data`'s body: its parameters are the connection, the address and the length.
    pub receive_data: &'static str,
    /// The destructor's body.
    pub destructor: &'static str,
}

/// A guest that accepts everything and sends nothing.
impl Default for Pieces {
    fn default() -> Pieces {
        Pieces {
            more: String::new(),
            pages: "17",
            // Arguments are always written to the second page.
            realloc: "(i32.const 65536)",
            post_init: "",
            receive_data: "",
            destructor: "",
        }
    }
}

/// The placeholder in the texts here for the version of the contract that the component is built for.
const VERSION: &str = "@VERSION";
const HANDLER: &str = "sandloop:plugin/handler@VERSION";

/// The component of these pieces.
pub fn component(pieces: &Pieces) -> Vec<u8> {
    encode(&module(pieces, ""), "minimal")
}

/// The module of these pieces as a compiler would make it: without the custom section of its world.
pub fn core_module(pieces: &Pieces) -> Vec<u8> {
    let text = module(pieces, "").replace(VERSION, &format!("@{}", contract::version()));
    wat::parse_str(text).expect("a module")
}

/// Like [`component`], with `$stdout` and `$write` of WASI, and `$answer`, which sends `ok`.
pub fn component_with_stdout(pieces: &Pieces) -> Vec<u8> {
    let imports = r#"
          (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
          (import "wasi:io/streams@0.2.0" "[method]output-stream.write"
            (func $write (param i32 i32 i32 i32)))"#;
    let answer = r#"
          (data (i32.const 65600) "ok")
          (func $answer
            (call $send (global.get $socket) (i32.const 65600) (i32.const 2) (i32.const 8)))"#;
    let pieces = Pieces { more: format!("{}{answer}", pieces.more), ..pieces.clone() };
    encode(&module(&pieces, imports), "printing")
}

/// A guest whose catalog has `count` handlers, each under this name, which is written as in WebAssembly's text format.
pub fn component_with_catalog(name: &str, bytes: usize, count: usize) -> Vec<u8> {
    /// The address of the list, its entries, and the name that all of them share.
    const LIST: usize = 1 << 20;
    const ENTRIES: usize = LIST + 8;
    let text = ENTRIES + 8 * count;
    let word = |number: usize| -> String {
        let number = u32::try_from(number).expect("an address of 32 bits");
        number.to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect()
    };
    let entry = word(text) + &word(bytes);
    let more = format!(
        "(data (i32.const {LIST}) \"{}{}{}{name}\")
         (func (export \"sandloop:plugin/catalog@VERSION#handlers\") (result i32) (i32.const {LIST}))",
        word(ENTRIES),
        word(count),
        entry.repeat(count),
    );
    encode(&module(&Pieces { more, pages: "200", ..Pieces::default() }, ""), "named")
}

/// The smallest guest with a catalog.
const NAMED: &str = "
package sandloop:named;

world named {
    include sandloop:plugin/minimal@VERSION;
    export sandloop:plugin/catalog@VERSION;
}
";

/// An echo for this version of the contract. To data that begins with a `t` it sends `tick` a tenth of a second later; to data
/// that begins with an empty line it sends `bye`, and closes the connection.
pub fn timed_echo(contract: (Resolve, PackageId)) -> Vec<u8> {
    let imports = r#"
          (import "sandloop:plugin/timers@VERSION" "add-timer" (func $timer (param i32 i32)))
          (import "sandloop:plugin/sockets@VERSION" "[method]socket.close-connection-after-writing"
            (func $finish (param i32)))"#;
    let more = r#"
          (data (i32.const 65600) "tick\nbye\n")
          (func $say (param i32 i32)
            (call $send (global.get $socket) (local.get 0) (local.get 1) (i32.const 8)))
          (func (export "sandloop:plugin/timers-handler@VERSION#timer-fired") (param i32)
            (call $say (i32.const 65600) (i32.const 5)))"#;
    let pieces = Pieces {
        more: more.to_owned(),
        receive_data: r#"
            (call $say (local.get 1) (local.get 2))
            (if (i32.eq (i32.load8_u (local.get 1)) (i32.const 116)) (then
              (call $timer (i32.const 100) (i32.const 8))))
            (if (i32.eq (i32.load8_u (local.get 1)) (i32.const 10)) (then
              (call $say (i32.const 65605) (i32.const 4))
              (call $finish (global.get $socket))))"#,
        ..Pieces::default()
    };
    encode_for(contract, &module(&pieces, imports), "timed")
}

/// The smallest guest with timers.
const TIMED: &str = "
package sandloop:timed;

world timed {
    include sandloop:plugin/minimal@VERSION;
    export sandloop:plugin/timers-handler@VERSION;
}
";

/// The part of WASI that is needed to print.
const PRINTING: &str = "
package sandloop:printing;

world printing {
    include sandloop:plugin/minimal@VERSION;
    import wasi:cli/stdout@0.2.0;
    import wasi:io/streams@0.2.0;
}

package wasi:io@0.2.0 {
    interface error {
        resource error;
    }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            write: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }
}

package wasi:cli@0.2.0 {
    interface stdout {
        use wasi:io/streams@0.2.0.{output-stream};
        get-stdout: func() -> output-stream;
    }
}
";

/// The module of these pieces, with these additional imports.
fn module(pieces: &Pieces, imports: &str) -> String {
    let Pieces { more, pages, realloc, post_init, receive_data, destructor } = pieces;
    let method = |name: &str| format!("\"{HANDLER}#[method]connection.{name}\"");
    format!(
        r#"(module{imports}
          (import "[export]{HANDLER}" "[resource-new]connection"
            (func $new (param i32) (result i32)))
          (import "sandloop:plugin/sockets@VERSION" "[method]socket.send-data"
            (func $send (param i32 i32 i32 i32)))
          (import "sandloop:plugin/sockets@VERSION" "[method]socket.close-connection"
            (func $close (param i32)))
          (import "sandloop:plugin/sockets@VERSION" "[resource-drop]socket"
            (func $drop (param i32)))
          (import "sandloop:plugin/log@VERSION" "log" (func $log (param i32 i32 i32)))
          (memory (export "memory") {pages})
          (global $socket (mut i32) (i32.const 0))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
          (func (export "{HANDLER}#[constructor]connection")
            (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (global.set $socket (local.get 0)) (call $new (i32.const 1)))
          (func (export {}) (param i32) {post_init})
          (func (export {}) (param i32))
          (func (export {}) (param i32 i32 i32) {receive_data})
          (func (export {}) (param i32))
          (func (export {}) (param i32 i32))
          (func (export "{HANDLER}#[dtor]connection") (param i32) {destructor})
          {more})"#,
        method("post-init"),
        method("connection-completed"),
        method("receive-data"),
        method("drained"),
        method("unbind"),
    )
}

fn encode(text: &str, world: &str) -> Vec<u8> {
    encode_for(contract::current(), text, world)
}

/// A component that is built for this version of the contract, as a compiler of its time would make it.
fn encode_for((mut resolve, contract): (Resolve, PackageId), module: &str, world: &str) -> Vec<u8> {
    let version = resolve.packages[contract].name.version.as_ref().expect("a version");
    let version = format!("@{version}");
    let text = |text: &str| text.replace(VERSION, &version);
    let mut module = wat::parse_str(text(module)).expect("WebAssembly as text");
    let package = match world {
        "minimal" => contract,
        "named" => resolve.push_str("named.wit", &text(NAMED)).expect("a world"),
        "timed" => resolve.push_str("timed.wit", &text(TIMED)).expect("a world"),
        _ => resolve.push_str("printing.wit", &text(PRINTING)).expect("a part of WASI"),
    };
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a module takes a section");
    let encoder = ComponentEncoder::default().module(&module).expect("the module says its world");
    encoder.validate(false).encode().expect("the module fits its world")
}

/// Ten thousand functions, which are long enough to make compiling them expensive.
pub fn ten_thousand_functions() -> String {
    let mut text = String::new();
    for number in 0..10_000 {
        text.push_str(&format!(
            "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {number})))\n"
        ));
    }
    text
}
