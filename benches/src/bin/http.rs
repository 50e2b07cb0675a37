//! `cargo xtask bench http`: "hello" by http-hello, a native server, nginx, Node.js, thin and Envoy.

fn main() -> std::process::ExitCode {
    sandloop_benches::http::main()
}
