//! `cargo xtask bench tls`: TLS beside a native server and nginx.

fn main() -> std::process::ExitCode {
    sandloop_benches::tls::main()
}
