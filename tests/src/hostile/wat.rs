//! Guests that no compiler would make: the smallest world by hand, with one function replaced.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::workspace;

/// What a guest does instead of what a good one does; each a piece of a WebAssembly module.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// Everything that is not one of the functions below.
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

/// A guest that takes everything and says nothing.
impl Default for Pieces {
    fn default() -> Pieces {
        Pieces {
            more: String::new(),
            pages: "17",
            // What it is given goes to the second page, again and again.
            realloc: "(i32.const 65536)",
            post_init: "",
            receive_data: "",
            destructor: "",
        }
    }
}

const HANDLER: &str = "sandloop:plugin/handler@0.1.0";

/// The component of these pieces.
pub fn component(pieces: &Pieces) -> Vec<u8> {
    encode(&module(pieces, ""), "minimal")
}

/// The same with `$stdout` and `$write` of WASI, and `$answer`, which sends `ok`.
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

/// A guest whose catalog has so many handlers, each under this name, which is written as in WebAssembly's text.
pub fn component_with_catalog(name: &str, bytes: usize, count: usize) -> Vec<u8> {
    /// Where the list is, its entries, and the one name that all of them have.
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
         (func (export \"sandloop:plugin/catalog@0.1.0#handlers\") (result i32) (i32.const {LIST}))",
        word(ENTRIES),
        word(count),
        entry.repeat(count),
    );
    encode(&module(&Pieces { more, pages: "200", ..Pieces::default() }, ""), "named")
}

/// The least that has a catalog.
const NAMED: &str = "
package sandloop:named;

world named {
    include sandloop:plugin/minimal@0.1.0;
    export sandloop:plugin/catalog@0.1.0;
}
";

/// As much of WASI as is needed to print.
const PRINTING: &str = "
package sandloop:printing;

world printing {
    include sandloop:plugin/minimal@0.1.0;
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

/// The module of these pieces, with these imports besides.
fn module(pieces: &Pieces, imports: &str) -> String {
    let Pieces { more, pages, realloc, post_init, receive_data, destructor } = pieces;
    let method = |name: &str| format!("\"{HANDLER}#[method]connection.{name}\"");
    format!(
        r#"(module{imports}
          (import "[export]{HANDLER}" "[resource-new]connection"
            (func $new (param i32) (result i32)))
          (import "sandloop:plugin/sockets@0.1.0" "[method]socket.send-data"
            (func $send (param i32 i32 i32 i32)))
          (import "sandloop:plugin/sockets@0.1.0" "[method]socket.close-connection"
            (func $close (param i32)))
          (import "sandloop:plugin/sockets@0.1.0" "[resource-drop]socket"
            (func $drop (param i32)))
          (import "sandloop:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
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
    let mut resolve = Resolve::default();
    let mut module = wat::parse_str(text).expect("WebAssembly as text");
    let (contract, _) = resolve.push_dir(workspace().join("wit")).expect("the contract");
    let package = match world {
        "minimal" => contract,
        "named" => resolve.push_str("named.wit", NAMED).expect("a world"),
        _ => resolve.push_str("printing.wit", PRINTING).expect("a part of WASI"),
    };
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a module takes a section");
    let encoder = ComponentEncoder::default().module(&module).expect("the module says its world");
    encoder.validate(false).encode().expect("the module fits its world")
}

/// Ten thousand functions, so long that compiling them is work.
pub fn ten_thousand_functions() -> String {
    let mut text = String::new();
    for number in 0..10_000 {
        text.push_str(&format!(
            "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {number})))\n"
        ));
    }
    text
}
