//! `cargo xtask bench proxy`: the plugin `proxy` beside HAProxy and nginx.

fn main() -> std::process::ExitCode {
    sandloop_benches::proxy::main()
}
