//! nginx, run as a child process: an independent server.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::host::own_loopback;
use crate::log::Lines;

/// An nginx; dropping it kills it.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    log: Lines,
    address: String,
    tls_address: String,
    // The directory goes after the child.
    dir: TempDir,
}

impl Nginx {
    /// Runs nginx with these directives in its only server, which serves the files given, and waits until it listens. The
    /// authority of [`Nginx::start_certified`] is in its `ca.pem`.
    pub fn start(server: &str, files: &[(&str, &[u8])]) -> Nginx {
        Nginx::start_certified(&Authority::new("Authority of nginx"), server, files)
    }

    /// Like [`Nginx::start`], with a certificate of this authority for TLS.
    pub fn start_certified(authority: &Authority, server: &str, files: &[(&str, &[u8])]) -> Nginx {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let loopback = own_loopback();
        let [address, tls_address] = [8080, 8443].map(|port| format!("{loopback}:{port}"));
        authority.write(dir.path(), "ca");
        authority.certify(dir.path(), "nginx", &[&loopback]);
        fs::create_dir(dir.path().join("files")).expect("a new directory");
        for (name, content) in files {
            fs::write(dir.path().join("files").join(name), content).expect("a new file");
        }
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
             events {{ worker_connections 100; }}\n\
             http {{\n\
             access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
             uwsgi_temp_path uwsgi; scgi_temp_path scgi; default_type application/octet-stream;\n\
             types {{ text/plain txt; }}\n\
             server {{ listen {address}; listen {tls_address} ssl; root files;\n\
             ssl_certificate nginx.pem; ssl_certificate_key nginx.key;\n{server}\n}}\n}}\n"
        );
        fs::write(dir.path().join("nginx.conf"), config).expect("a new file");
        let mut child = command()
            .args(["-c", "nginx.conf", "-p"])
            .arg(dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx can be run; `cargo xtask setup` installs it");
        let log = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        // It listens before it logs that.
        let begun =
            log.wait_for(|lines| lines.iter().any(|it| it.0.contains("using the")).then_some(()));
        assert!(begun.is_some(), "nginx does not start:\n{}", log.text());
        Nginx { child, log, address, tls_address, dir }
    }

    /// `127.1.2.3:8080`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `127.1.2.3:8443`, its address for TLS. Its certificate is for this address alone.
    pub fn tls_address(&self) -> &str {
        &self.tls_address
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The folder of its files.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program in `PATH`, or that of Debian.
fn command() -> Command {
    let in_path = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
    Command::new(if in_path { "nginx" } else { "/usr/sbin/nginx" })
}
