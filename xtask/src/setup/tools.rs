//! The one list of what is installed on a developer's machine, and why.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::step::succeeds;

/// Something that a command needs and cargo does not bring.
pub struct Tool {
    /// What it is.
    pub name: &'static str,
    /// What it is for: "for …".
    pub why: &'static str,
    /// Debian's packages that have it.
    pub packages: &'static [&'static str],
    /// What it is on a machine without Debian's packages.
    pub elsewhere: &'static str,
    /// Whether it is there and does its work.
    pub works: fn() -> bool,
}

pub const WASM_CLANG: Tool = Tool {
    name: "clang for WebAssembly with wasi-libc",
    why: "for the guests written in C",
    packages: &["clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32"],
    elsewhere: "wasi-sdk, with its bin/clang named in the variable WASM_CLANG",
    works: || wasm_clang().is_some(),
};

pub const WASM_CPP: Tool = Tool {
    name: "libc++ for WebAssembly",
    why: "for the guests written in C++",
    packages: &["libc++-19-dev-wasm32", "libc++abi-19-dev-wasm32"],
    elsewhere: "wasi-sdk, with its bin/clang named in the variable WASM_CLANG",
    works: || wasm_clang().is_some_and(makes_wasm_of_cpp),
};

pub const STRACE: Tool = Tool {
    name: "strace",
    why: "for the tests that count system calls",
    packages: &["strace"],
    elsewhere: "strace",
    works: || succeeds("strace", &["-V"]),
};

pub const NETCAT: Tool = Tool {
    name: "nc with Unix sockets",
    why: "for talking to a server as the READMEs do",
    packages: &["netcat-openbsd"],
    elsewhere: "OpenBSD's netcat",
    works: || succeeds("sh", &["-c", "nc -h 2>&1 | grep -q -- '-U'"]),
};

pub const EVENTMACHINE: Tool = Tool {
    name: "Ruby with EventMachine",
    why: "for the tests and the measurements beside the original",
    packages: &["ruby", "ruby-eventmachine"],
    elsewhere: "Ruby 3 and `gem install eventmachine`",
    works: || succeeds("ruby", &["-reventmachine", "-e", "0"]),
};

pub const CURL: Tool = Tool {
    name: "curl",
    why: "for the tests of HTTP",
    packages: &["curl", "ca-certificates"],
    elsewhere: "curl",
    works: || succeeds("curl", &["--version"]),
};

pub const REGISTRY: Tool = Tool {
    name: "docker-registry and minisign",
    why: "for the tests of components from elsewhere",
    packages: &["docker-registry", "minisign"],
    elsewhere: "CNCF's distribution 2.8 as `docker-registry`, and minisign",
    works: || succeeds("docker-registry", &["--version"]) && succeeds("minisign", &["-v"]),
};

pub const OPENSSL: Tool = Tool {
    name: "openssl",
    why: "for the tests of TLS",
    packages: &["openssl"],
    elsewhere: "openssl 3",
    works: || succeeds("openssl", &["version"]),
};

pub const LOAD: Tool = Tool {
    name: "wrk and ab",
    why: "for the tests and the measurements of HTTP",
    packages: &["wrk", "apache2-utils"],
    elsewhere: "wrk and Apache's ab",
    works: || succeeds("sh", &["-c", "command -v wrk && ab -V"]),
};

pub const NGINX: Tool = Tool {
    name: "nginx",
    why: "for the tests of the HTTP client and the measurements of HTTP",
    packages: &["nginx-light"],
    elsewhere: "nginx",
    // Debian keeps it where not everybody looks.
    works: || succeeds("sh", &["-c", "PATH=$PATH:/usr/sbin nginx -v"]),
};

pub const PROXIES: Tool = Tool {
    name: "HAProxy and nginx's module for streams",
    why: "for the measurements of TLS and of proxying beside others",
    packages: &["haproxy", "libnginx-mod-stream"],
    elsewhere: "HAProxy, and nginx with its module for streams",
    works: || {
        let there =
            "PATH=$PATH:/usr/sbin haproxy -v && ls /usr/lib/nginx/modules/ngx_stream_module.so";
        succeeds("sh", &["-c", there])
    },
};

pub const WEB_SERVERS: Tool = Tool {
    name: "Node.js and thin",
    why: "for the measurements of HTTP beside others",
    packages: &["nodejs", "thin"],
    elsewhere: "Node.js, and `gem install thin`",
    works: || succeeds("node", &["--version"]) && succeeds("ruby", &["-rthin", "-e", "0"]),
};

pub const WEBSOCKETS: Tool = Tool {
    name: "Python's websockets and Node's ws",
    why: "for the tests of HTTP and WebSocket",
    packages: &["python3", "python3-websockets", "nodejs", "node-ws"],
    elsewhere: "Python 3 with `pip install websockets`, Node.js with ws in NODE_PATH",
    works: || {
        let python = "python3 -c 'import websockets' || /usr/bin/python3 -c 'import websockets'";
        let node = "NODE_PATH=$NODE_PATH:/usr/share/nodejs node -e 'require(\"ws\")'";
        succeeds("sh", &["-c", python]) && succeeds("sh", &["-c", node])
    },
};

pub const BROWSER: Tool = Tool {
    name: "a headless Chromium",
    why: "for the tests of HTTP and WebSocket",
    packages: &["chromium-headless-shell"],
    elsewhere: "chromium-headless-shell, or chromium under that name",
    works: || succeeds("chromium-headless-shell", &["--version"]),
};

pub const PROMETHEUS: Tool = Tool {
    name: "Prometheus with promtool, and its client for Python",
    why: "for the tests of the metrics",
    packages: &["prometheus", "python3-prometheus-client"],
    elsewhere: "prometheus and promtool, and `pip install prometheus-client`",
    works: || {
        let python = "python3 -c 'import prometheus_client' || /usr/bin/python3 -c 'import prometheus_client'";
        succeeds("promtool", &["--version"])
            && succeeds("prometheus", &["--version"])
            && succeeds("sh", &["-c", python])
    },
};

pub const RABBITMQ: Tool = Tool {
    name: "RabbitMQ",
    why: "for the tests and the measurements of AMQP",
    packages: &["rabbitmq-server"],
    elsewhere: "RabbitMQ 3.10 or newer, with rabbitmq-server and rabbitmqctl in PATH",
    // Without its own command for this, which would start Erlang's port mapper and leave it.
    works: || {
        let there = "PATH=/usr/lib/rabbitmq/bin:$PATH; command -v rabbitmq-server && command -v rabbitmqctl";
        succeeds("sh", &["-c", there]) && succeeds("erl", &["-noinput", "-s", "erlang", "halt"])
    },
};

pub const NATS: Tool = Tool {
    name: "the NATS server",
    why: "for the tests and the measurements of several hosts",
    packages: &["nats-server"],
    elsewhere: "nats-server 2.9 or newer",
    // Debian keeps it where not everybody looks.
    works: || succeeds("sh", &["-c", "PATH=$PATH:/usr/sbin nats-server --version"]),
};

pub const PIKA: Tool = Tool {
    name: "Python's pika",
    why: "for the tests and the measurements of AMQP",
    packages: &["python3", "python3-pika"],
    elsewhere: "Python 3.10 or newer with `pip install pika`",
    works: || {
        succeeds("sh", &["-c", "python3 -c 'import pika' || /usr/bin/python3 -c 'import pika'"])
    },
};

pub const NPM: Tool = Tool {
    name: "Node.js with npm",
    why: "for the component written in JavaScript",
    packages: &["nodejs", "npm"],
    elsewhere: "Node.js 20 or newer",
    works: || succeeds("npm", &["--version"]),
};

pub const PYTHON: Tool = Tool {
    name: "Python with venv",
    why: "for the components written in Python, and for Zig, whose compiler is on PyPI",
    packages: &["python3", "python3-venv"],
    elsewhere: "Python 3.10 or newer",
    works: || succeeds("python3", &["-c", "import venv, ensurepip"]),
};

pub const DEBIAN_RUST: Tool = Tool {
    name: "Debian's Rust with the standard library's source",
    why: "for building guests without rustup's wasm32-wasip2",
    packages: &["rustc-web", "cargo-web", "rust-web-src", "lld-19", "wasi-libc"],
    elsewhere: "rustup, with its target wasm32-wasip2",
    works: || {
        succeeds("/usr/bin/cargo", &["--version"])
            && succeeds("/usr/bin/rustc", &["--version"])
            && succeeds("wasm-ld-19", &["--version"])
            && has_rust_source()
            && PathBuf::from("/usr/lib/wasm32-wasi/crt1-reactor.o").exists()
    },
};

pub const BINUTILS: Tool = Tool {
    name: "binutils",
    why: "for the binary that is shipped",
    packages: &["binutils"],
    elsewhere: "GNU binutils, with objcopy and readelf",
    works: || succeeds("objcopy", &["--version"]) && succeeds("readelf", &["--version"]),
};

pub const AARCH64: Tool = Tool {
    name: "a C compiler for 64-bit ARM",
    why: "for the host on that processor",
    packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    elsewhere: "gcc for aarch64-linux-gnu, with a C library",
    works: || succeeds("aarch64-linux-gnu-gcc", &["--version"]),
};

pub const EMULATOR: Tool = Tool {
    name: "qemu for programs of 64-bit ARM",
    why: "for the first exchange of the host on that processor",
    packages: &["qemu-user-static"],
    elsewhere: "qemu-user-static",
    works: || succeeds("qemu-aarch64-static", &["--version"]),
};

pub const DEBIAN_PACKAGING: Tool = Tool {
    name: "dpkg-dev and lintian",
    why: "for the Debian package",
    packages: &["dpkg-dev", "lintian"],
    elsewhere: "a Debian system",
    works: || succeeds("dpkg-shlibdeps", &["--version"]) && succeeds("lintian", &["--version"]),
};

pub const DEBIAN_SYSTEM: Tool = Tool {
    name: "mmdebstrap and systemd-nspawn",
    why: "for the trial of the Debian package",
    packages: &["mmdebstrap", "systemd-container"],
    elsewhere: "a Debian system",
    works: || succeeds("mmdebstrap", &["--version"]) && succeeds("systemd-nspawn", &["--version"]),
};

pub const IMAGES: Tool = Tool {
    name: "buildah, podman or docker",
    why: "for the container image",
    packages: &["buildah"],
    elsewhere: "any of them",
    works: || ["buildah", "podman", "docker"].iter().any(|it| succeeds(it, &["info"])),
};

pub const BUBBLEWRAP: Tool = Tool {
    name: "bubblewrap",
    why: "for running the root of the image without privilege",
    packages: &["bubblewrap"],
    elsewhere: "bubblewrap",
    works: || succeeds("bwrap", &["--version"]),
};

pub const SYSTEMD: Tool = Tool {
    name: "systemd-analyze",
    why: "for the checks of the unit files",
    packages: &["systemd"],
    elsewhere: "systemd 252 or newer",
    works: || succeeds("systemd-analyze", &["--version"]),
};

fn has_rust_source() -> bool {
    let script = "test -e $(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std";
    succeeds("sh", &["-c", script])
}

/// A clang that makes a WebAssembly module out of C with a C library: the one named in the variable
/// `WASM_CLANG`, or the first of the usual names that can.
pub fn wasm_clang() -> Option<&'static str> {
    static FOUND: OnceLock<String> = OnceLock::new();
    if FOUND.get().is_none() {
        let named = std::env::var("WASM_CLANG").ok();
        let usual = ["clang-19", "clang", "/opt/wasi-sdk/bin/clang"].map(str::to_owned);
        let candidates = named.into_iter().chain(usual);
        if let Some(clang) = { candidates }.find(|clang| makes_wasm(clang)) {
            return Some(FOUND.get_or_init(|| clang));
        }
    }
    FOUND.get().map(String::as_str)
}

fn makes_wasm(clang: &str) -> bool {
    let script = "printf '#include <stdlib.h>\\nvoid *f(void) { return malloc(1); }' \
                  | \"$0\" --target=wasm32-wasi -mexec-model=reactor -x c - -o /dev/null";
    succeeds("sh", &["-c", script, clang])
}

fn makes_wasm_of_cpp(clang: &str) -> bool {
    let script = "printf '#include <expected>\\n#include <string>\\nstd::expected<std::string, int> f() { return \"\"; }' \
                  | \"$0\" --driver-mode=g++ --target=wasm32-wasi -mexec-model=reactor -std=c++23 -fno-exceptions -x c++ - -o /dev/null";
    succeeds("sh", &["-c", script, clang])
}
