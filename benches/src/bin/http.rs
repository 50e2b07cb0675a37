//! `cargo xtask bench http`: "hello" by http-hello, a native server, nginx, Node.js and thin.

fn main() -> std::process::ExitCode {
    sandloop_benches::http::main()
}
