//! `sandloop top`: the live page for a terminal.

mod cluster;

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::admin::AdminConfig;
use crate::run::admin::client::{ClientError, get};

/// The most denials and traps that are shown.
const INCIDENTS_MAX: usize = 5;

/// A snapshot of a host.
#[derive(Debug)]
pub struct HostSnapshot {
    host: Value,
    plugins: Value,
    tenants: Value,
    denials: Value,
    traps: Value,
    cluster: Value,
}

/// The style of the output.
#[derive(Debug, Clone, Copy)]
pub struct TopStyle {
    /// Whether to use colours.
    pub colours: bool,
}

impl HostSnapshot {
    /// Takes a snapshot of a running host.
    ///
    /// # Errors
    /// When the host does not answer.
    pub fn take(admin: &AdminConfig) -> Result<HostSnapshot, ClientError> {
        Ok(HostSnapshot {
            host: get(admin, "/host")?,
            plugins: get(admin, "/plugins")?,
            tenants: get(admin, "/tenants")?,
            denials: get(admin, "/denials")?,
            traps: get(admin, "/traps")?,
            cluster: get(admin, "/cluster")?,
        })
    }

    /// Renders the snapshot. Rates are since `before`, or since the start of the host.
    pub fn show(&self, before: Option<&HostSnapshot>, style: TopStyle) -> String {
        let mut text = self.head(style);
        let passed = number(&self.host["uptime_seconds"])
            - before.map_or(0.0, |before| number(&before.host["uptime_seconds"]));
        // The host was restarted meanwhile, so its counters start again.
        let before = before.filter(|_| 0.0 < passed);
        let passed = if 0.0 < passed { passed } else { number(&self.host["uptime_seconds"]) };
        text.push_str(&self.plugin_table(before, passed, style));
        text.push_str(&self.tenant_table(before, passed, style));
        text.push_str(&self.cluster_tables(before, passed, style));
        text.push_str(&self.incidents(style));
        text
    }

    fn head(&self, style: TopStyle) -> String {
        let host = &self.host;
        let sum = |key: &str| list(&host["reactors"]).map(|one| number(&one[key])).sum::<f64>();
        let unready = host["unready"].as_str();
        let state = style.paint(unready.is_some(), unready.unwrap_or_else(|| word(&host["state"])));
        let version = word(&host["version"]);
        let uptime = time(number(&host["uptime_seconds"]));
        let (connections, instances) = (sum("connections"), sum("instances"));
        let most = number(&host["instances_limit"]);
        let resident = bytes(number(&host["resident_bytes"]));
        format!(
            "sandloop {version}  {state}  up {uptime}  {} reactor(s)  {connections} connections  \
             {instances} of {most} sandboxes  {resident}\n\n",
            list(&host["reactors"]).count()
        )
    }

    fn plugin_table(&self, before: Option<&HostSnapshot>, passed: f64, style: TopStyle) -> String {
        let edges: Vec<f64> = list(&self.host["bucket_edges_seconds"]).map(number).collect();
        let mut rows = vec![
            [
                "PLUGIN",
                "TENANT",
                "STATE",
                "EVENTS/S",
                "P50",
                "P99",
                "CPU",
                "CONNS",
                "TRAPS",
                "DENIALS",
                "AT A LIMIT",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for one in list(&self.plugins["plugins"]) {
            let same = before.and_then(|before| named(&before.plugins["plugins"], one));
            let since = |key: &str| number(&one[key]) - same.map_or(0.0, |same| number(&same[key]));
            let buckets = since_buckets(&one["latency"], same.map(|same| &same["latency"]));
            let latency = |part| quantile(&buckets, &edges, part).map_or("-".to_owned(), time);
            let reached = list(&one["limits_reached"]).map(|limit| word(&limit["limit"]));
            let connections = list(&one["usage"]).find(|use_| use_["limit"] == "connections");
            rows.push(vec![
                word(&one["name"]).to_owned(),
                word(&one["tenant"]).to_owned(),
                word(&one["state"]).to_owned(),
                format!("{:.0}", since("events") / passed),
                latency(0.5),
                latency(0.99),
                percent(since("cpu_seconds") / passed),
                connections.map_or(0.0, |use_| number(&use_["used"])).to_string(),
                number(&one["traps"]).to_string(),
                number(&one["denials"]).to_string(),
                reached.collect::<Vec<_>>().join(", "),
            ]);
        }
        style.table(&rows, |row| row[2] != "serving")
    }

    fn tenant_table(&self, before: Option<&HostSnapshot>, passed: f64, style: TopStyle) -> String {
        let mut rows = vec![
            [
                "TENANT",
                "CPU",
                "MEMORY",
                "HOST MEMORY",
                "MESSAGES",
                "OUTBOXES",
                "SANDBOXES",
                "SLOW",
                "HAND-ONS",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for one in list(&self.tenants["tenants"]) {
            let same = before.and_then(|before| named(&before.tenants["tenants"], one));
            let cpu =
                number(&one["cpu_seconds"]) - same.map_or(0.0, |same| number(&same["cpu_seconds"]));
            let cpu_limit = &one["cpu_per_second_limit"];
            let of = |key: &str, limit: &str, show: fn(f64) -> String| {
                let use_ = list(&one[key]).find(|use_| use_["limit"] == limit);
                use_.map_or(String::new(), |use_| {
                    let used = show(number(&use_["used"]));
                    if use_["value"].is_null() {
                        used
                    } else {
                        format!("{used}/{}", show(number(&use_["value"])))
                    }
                })
            };
            let cpu = percent(cpu / passed);
            rows.push(vec![
                word(&one["name"]).to_owned(),
                if cpu_limit.is_null() {
                    cpu
                } else {
                    format!("{cpu}/{}", percent(number(cpu_limit)))
                },
                of("bytes", "memory", bytes),
                of("bytes", "host_memory", bytes),
                of("bytes", "messages", bytes),
                of("bytes", "outboxes", bytes),
                of("counts", "instances", |count| count.to_string()),
                of("counts", "slow_calls", |count| count.to_string()),
                number(&one["hand_ons"]).to_string(),
            ]);
        }
        style.table(&rows, |_| false)
    }

    fn incidents(&self, style: TopStyle) -> String {
        let mut text = String::new();
        for denial in list(&self.denials["denials"]).take(INCIDENTS_MAX) {
            let ago = time(number(&denial["seconds_ago"]));
            let (plugin, call) = (word(&denial["plugin"]), word(&denial["call"]));
            let remedy = word(&denial["remedy"]);
            let line = format!("{ago} ago  {plugin}  {call} denied: {remedy}");
            style.line(&mut text, true, &line);
        }
        for trap in list(&self.traps["traps"]).take(INCIDENTS_MAX) {
            let ago = time(number(&trap["seconds_ago"]));
            let (plugin, what) = (word(&trap["plugin"]), word(&trap["what"]));
            let (event, cause) = (word(&trap["event"]), word(&trap["cause"]));
            let line = format!("{ago} ago  {plugin}  {what} in {event}: {cause}");
            style.line(&mut text, true, &line);
        }
        text
    }
}

impl TopStyle {
    fn paint(self, is_bad: bool, text: &str) -> String {
        if self.colours && is_bad { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(self, text: &mut String, is_bad: bool, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", self.paint(is_bad, line.trim_end()));
    }

    /// Renders a table with the first row as its head.
    fn table(self, rows: &[Vec<String>], is_bad: impl Fn(&[String]) -> bool) -> String {
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            self.line(&mut text, 0 < number && is_bad(row), &line);
        }
        text.push('\n');
        text
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn named<'a>(all: &'a Value, one: &Value) -> Option<&'a Value> {
    list(all).find(|other| other["name"] == one["name"])
}

fn since_buckets(now: &Value, before: Option<&Value>) -> Vec<f64> {
    let before: Vec<f64> = before.map(|it| list(it).map(number).collect()).unwrap_or_default();
    let fresh = list(now).enumerate();
    fresh.map(|(at, count)| number(count) - before.get(at).copied().unwrap_or(0.0)).collect()
}

/// The bucket edge below which this part of the counts lies; none if there are no counts.
fn quantile(buckets: &[f64], edges: &[f64], part: f64) -> Option<f64> {
    let all: f64 = buckets.iter().sum();
    if all <= 0.0 {
        return None;
    }
    let mut below = 0.0;
    let bucket = buckets.iter().position(|count| {
        below += count;
        all * part <= below
    });
    bucket.and_then(|bucket| edges.get(bucket).or(edges.last())).copied()
}

fn percent(part: f64) -> String {
    format!("{:.1}%", part * 100.0)
}

fn bytes(count: f64) -> String {
    const STEPS: [(f64, &str); 4] = [
        (1_099_511_627_776.0, "TiB"),
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1024.0, "KiB"),
    ];
    match STEPS.iter().find(|(step, _)| *step <= count) {
        Some((step, unit)) => format!("{:.1}{unit}", count / step),
        None => format!("{count}B"),
    }
}

/// A time in two digits, since a bucket is no more exact.
fn time(seconds: f64) -> String {
    match seconds {
        ..1e-3 => format!("{:.0}us", seconds * 1e6),
        ..1.0 => format!("{:.1}ms", seconds * 1e3),
        ..90.0 => format!("{seconds:.1}s"),
        ..5400.0 => format!("{:.0}min", seconds / 60.0),
        _ => format!("{:.0}h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: TopStyle = TopStyle { colours: false };

    fn snapshot(uptime: f64, events: u64) -> HostSnapshot {
        HostSnapshot {
            host: json!({
                "version": "1", "state": "serving", "unready": null, "uptime_seconds": uptime,
                "bucket_edges_seconds": [0.001, 0.1], "instances_limit": 2000, "resident_bytes": 2_097_152,
                "reactors": [{ "connections": 3, "instances": 4 }],
            }),
            plugins: json!({ "plugins": [{
                "name": "echo", "tenant": "demo", "state": "serving", "events": events,
                "latency": [events, 0, 0], "cpu_seconds": 0.5, "traps": 0, "denials": 2,
                "usage": [{ "limit": "connections", "used": 3, "value": 10 }],
                "limits_reached": [{ "limit": "timers", "count": 1 }],
            }] }),
            tenants: json!({ "tenants": [{
                "name": "demo", "cpu_seconds": 0.5, "cpu_per_second_limit": 0.5, "hand_ons": 0,
                "bytes": [{ "limit": "memory", "used": 1024, "value": 2048 }],
                "counts": [{ "limit": "instances", "used": 4, "value": null }],
            }] }),
            denials: json!({ "denials": [{
                "plugin": "echo", "call": "sockets.connect", "remedy": "add it", "seconds_ago": 3.0,
            }] }),
            traps: json!({ "traps": [] }),
            cluster: json!({ "cluster": null }),
        }
    }

    #[test]
    fn rates_are_those_since_the_picture_before() {
        let (before, now) = (snapshot(10.0, 100), snapshot(12.0, 300));
        let text = now.show(Some(&before), PLAIN);
        let row = text.lines().find(|line| line.starts_with("echo")).expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            cells,
            ["echo", "demo", "serving", "100", "1.0ms", "1.0ms", "0.0%", "3", "0", "2", "timers"]
        );
        let row = text.lines().find(|line| line.starts_with("demo")).expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["demo", "0.0%/50.0%", "1.0KiB/2.0KiB", "4", "0"]);
        assert!(text.contains("3.0s ago  echo  sockets.connect denied: add it"), "{text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_host_that_was_started_again_begins_anew() {
        let text = snapshot(1.0, 50).show(Some(&snapshot(100.0, 5000)), PLAIN);
        let row = text.lines().find(|line| line.starts_with("echo")).expect("a row");
        assert_eq!(row.split_whitespace().nth(3), Some("50"), "{text}");
    }

    #[test]
    fn what_is_bad_is_red_where_colours_are_wanted() {
        let text = snapshot(1.0, 50).show(None, TopStyle { colours: true });
        assert_eq!(text.matches("\x1b[31m").count(), 1, "the denial: {text}");
    }
}
