//! `cargo xtask bench echo`: echo natively, in a sandbox, and in EventMachine.

fn main() -> std::process::ExitCode {
    sandloop_benches::cli::main()
}
