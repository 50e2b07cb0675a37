//! `cargo xtask bench echo`: echo natively, in a sandbox, in EventMachine and in Envoy.

fn main() -> std::process::ExitCode {
    sandloop_benches::cli::main()
}
