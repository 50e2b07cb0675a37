//! nginx, as a peer of several benches.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Result;

/// Where Debian has it, which is on nobody's path but root's.
const ELSEWHERE: &str = "/usr/sbin/nginx";
/// Where Debian has the module for streams, which is one of its own.
const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

fn program() -> &'static str {
    let known = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
    if known { "nginx" } else { ELSEWHERE }
}

/// Whether there is one here.
pub fn is_there() -> bool {
    let run = Command::new(program()).arg("-v").stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// Why there is no nginx with streams here.
pub fn missing() -> Option<&'static str> {
    (!is_there() || !Path::new(STREAM).exists())
        .then_some("nginx or its module for streams is missing (Debian: apt-get install nginx-light libnginx-mod-stream)")
}

/// The command that runs one worker with these servers of streams, with its files in `dir`.
pub fn stream(dir: &Path, servers: &str) -> Result<Command> {
    run(dir, &format!("load_module {STREAM};\n"), &format!("stream {{ {servers} }}"))
}

/// The command that runs one worker with these servers of HTTP.
pub fn http(dir: &Path, servers: &str) -> Result<Command> {
    let paths = "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
    run(dir, "", &format!("http {{ access_log off; {paths}\n{servers} }}"))
}

fn run(dir: &Path, modules: &str, section: &str) -> Result<Command> {
    let config = format!(
        "{modules}daemon off; master_process off; pid nginx.pid; error_log error.log crit;\n\
         events {{ worker_connections 4000; }}\n{section}\n"
    );
    fs::write(dir.join("nginx.conf"), config)?;
    let mut command = Command::new(program());
    command.arg("-p").arg(dir).args(["-c", "nginx.conf"]);
    Ok(command)
}
