//! The cluster in `sandloop top`: who is there, how far NATS is, who has each singleton, and what tenants share.

use serde_json::Value;

use super::{HostSnapshot, TopStyle, bytes, list, named, number, time, word};

impl HostSnapshot {
    /// Nothing where the host is alone.
    pub(super) fn cluster_tables(
        &self,
        before: Option<&HostSnapshot>,
        passed: f64,
        style: TopStyle,
    ) -> String {
        let cluster = &self.cluster["cluster"];
        if cluster.is_null() {
            return String::new();
        }
        let others = list(&cluster["others"]).count();
        let mut text = format!("cluster  {}  {others} other host(s)\n\n", word(&cluster["host"]));
        text.push_str(&connections(cluster, style));
        text.push_str(&singletons(cluster, style));
        let before = before.map(|before| &before.cluster["cluster"]);
        text.push_str(&shared(cluster, before, passed, style));
        text.push_str(&queues(cluster, before, passed, style));
        text.push_str(&processes(cluster, before, passed, style));
        text
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn connections(cluster: &Value, style: TopStyle) -> String {
    let mut rows =
        vec![row(["NATS FOR", "STATE", "ROUND TRIP", "MADE", "LOST", "ERRORS", "FAULT"])];
    for one in list(&cluster["connections"]) {
        let is_connected = one["connected"] == true;
        rows.push(vec![
            one["tenant"].as_str().unwrap_or("the host").to_owned(),
            if is_connected { "connected" } else { "apart" }.to_owned(),
            one["round_trip_seconds"].as_f64().map_or("-".to_owned(), time),
            number(&one["made"]).to_string(),
            number(&one["lost"]).to_string(),
            number(&one["errors"]).to_string(),
            word(&one["fault"]).to_owned(),
        ]);
    }
    style.table(&rows, |row| row[1] == "apart")
}

fn singletons(cluster: &Value, style: TopStyle) -> String {
    let mut rows = vec![row(["SINGLETON", "TENANT", "AT", "NUMBER", "LAPSED", "FAULT"])];
    for one in list(&cluster["singletons"]) {
        let owner = one["owner"].as_str().map_or("nobody", |owner| {
            // The host, without the number by which it tells its own leases apart.
            owner.split_once('/').map_or(owner, |(host, _)| host)
        });
        rows.push(vec![
            word(&one["plugin"]).to_owned(),
            word(&one["tenant"]).to_owned(),
            if one["fencing"].is_null() { owner } else { "here" }.to_owned(),
            one["fencing"].as_u64().map_or("-".to_owned(), |number| number.to_string()),
            number(&one["lapsed"]).to_string(),
            word(&one["fault"]).to_owned(),
        ]);
    }
    if rows.len() == 1 { String::new() } else { style.table(&rows, |row| !row[5].is_empty()) }
}

fn shared(cluster: &Value, before: Option<&Value>, passed: f64, style: TopStyle) -> String {
    let mut rows = vec![row([
        "SHARED BY",
        "PUBLISHED/S",
        "RECEIVED/S",
        "OUTBOX",
        "REFUSED",
        "MISSED",
        "LEFT OUT",
    ])];
    for one in list(&cluster["tenants"]).filter(|one| !one["published"].is_null()) {
        let same = before.and_then(|before| named(&before["tenants"], one));
        let since = |key: &str| number(&one[key]) - same.map_or(0.0, |same| number(&same[key]));
        let outbox = number(&one["outbox_limit_bytes"]);
        rows.push(vec![
            word(&one["name"]).to_owned(),
            format!("{:.0}", since("published") / passed),
            format!("{:.0}", since("received") / passed),
            format!("{}/{}", bytes(number(&one["outbox_bytes"])), bytes(outbox)),
            (number(&one["refused"]) + number(&one["too_large"])).to_string(),
            number(&one["missed"]).to_string(),
            number(&one["left_out"]).to_string(),
        ]);
    }
    if rows.len() == 1 { String::new() } else { style.table(&rows, |_| false) }
}

fn queues(cluster: &Value, before: Option<&Value>, passed: f64, style: TopStyle) -> String {
    let mut rows = vec![row([
        "QUEUES OF",
        "STORED/S",
        "HANDLED/S",
        "NOT STORED",
        "IN HAND",
        "REDELIVERED",
        "DEAD",
        "FAULTS",
    ])];
    for one in list(&cluster["tenants"]).filter(|one| !one["queues"].is_null()) {
        let same = before.and_then(|before| named(&before["tenants"], one));
        let now = |key: &str| number(&one["queues"][key]);
        let since = |key: &str| now(key) - same.map_or(0.0, |same| number(&same["queues"][key]));
        rows.push(vec![
            word(&one["name"]).to_owned(),
            format!("{:.0}", since("stored") / passed),
            format!("{:.0}", since("handled") / passed),
            now("unstored").to_string(),
            now("in_hand").to_string(),
            now("redelivered").to_string(),
            now("dead_lettered").to_string(),
            now("faults").to_string(),
        ]);
    }
    if rows.len() == 1 { String::new() } else { style.table(&rows, |row| row[6] != "0") }
}

fn processes(cluster: &Value, before: Option<&Value>, passed: f64, style: TopStyle) -> String {
    let mut rows = vec![row([
        "PROCESSES OF",
        "SPAWNED/S",
        "CHILDREN",
        "RESIDENTS",
        "HOSTS",
        "TURNED AWAY",
        "ORPHANS",
        "LEFT OUT",
    ])];
    for one in list(&cluster["tenants"]).filter(|one| !one["processes"].is_null()) {
        let same = before.and_then(|before| named(&before["tenants"], one));
        let now = |key: &str| number(&one["processes"][key]);
        let spawned =
            now("spawned") - same.map_or(0.0, |same| number(&same["processes"]["spawned"]));
        rows.push(vec![
            word(&one["name"]).to_owned(),
            format!("{:.0}", spawned / passed),
            now("children").to_string(),
            now("residents").to_string(),
            now("hosts").to_string(),
            now("turned_away").to_string(),
            now("orphans").to_string(),
            now("left_out").to_string(),
        ]);
    }
    if rows.len() == 1 { String::new() } else { style.table(&rows, |row| row[7] != "0") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: TopStyle = TopStyle { colours: false };

    fn snapshot(published: u64) -> HostSnapshot {
        let cluster = json!({ "cluster": {
            "host": "web.0f", "others": [{ "host": "db.1e" }],
            "connections": [
                { "tenant": null, "connected": true, "round_trip_seconds": 0.002, "made": 1, "lost": 0, "errors": 0, "fault": null },
                { "tenant": "chat", "connected": false, "round_trip_seconds": null, "made": 0, "lost": 0, "errors": 0, "fault": "refused" },
            ],
            "singletons": [
                { "plugin": "reports", "tenant": "office", "fencing": 17, "owner": "web.0f/0", "lapsed": 0, "fault": null },
                { "plugin": "mail", "tenant": "office", "fencing": null, "owner": "db.1e/3", "lapsed": 1, "fault": null },
            ],
            "tenants": [{
                "name": "chat", "published": published, "received": 4, "refused": 1, "too_large": 2, "missed": 5,
                "left_out": 6, "outbox_bytes": 512, "outbox_limit_bytes": 1024, "queues": null,
            }, {
                "name": "office", "outbox_bytes": 0, "outbox_limit_bytes": 1024, "queues": {
                    "stored": published, "handled": 3, "unstored": 7, "in_hand": 2, "redelivered": 1, "dead_lettered": 0, "faults": 4,
                }, "processes": {
                    "spawned": published, "children": 8, "residents": 9, "hosts": 2, "turned_away": 1, "orphans": 3, "left_out": 0,
                },
            }],
        } });
        let none = Value::Null;
        let [host, plugins, tenants, denials] = [(); 4].map(|()| none.clone());
        HostSnapshot { host, plugins, tenants, denials, traps: none, cluster }
    }

    fn cells<'a>(text: &'a str, first: &str) -> Vec<&'a str> {
        let line = text.lines().find(|line| line.starts_with(first));
        line.unwrap_or_else(|| panic!("{first}: {text}")).split_whitespace().collect()
    }

    #[test]
    fn a_cluster_is_shown_with_rates_since_the_picture_before() {
        let text = snapshot(30).cluster_tables(Some(&snapshot(10)), 2.0, PLAIN);
        assert!(text.starts_with("cluster  web.0f  1 other host(s)\n"), "{text}");
        assert_eq!(cells(&text, "the host"), ["the", "host", "connected", "2.0ms", "1", "0", "0"]);
        assert_eq!(cells(&text, "chat      apart")[1..], ["apart", "-", "0", "0", "0", "refused"]);
        assert_eq!(cells(&text, "reports"), ["reports", "office", "here", "17", "0"]);
        assert_eq!(cells(&text, "mail"), ["mail", "office", "db.1e", "-", "1"]);
        let (_, shared) = text.split_once("SHARED BY").expect("a table of channels");
        let (shared, queues) = shared.split_once("QUEUES OF").expect("a table of queues");
        let (queues, processes) = queues.split_once("PROCESSES OF").expect("a table of processes");
        assert_eq!(cells(shared, "chat"), ["chat", "10", "0", "512B/1.0KiB", "3", "5", "6"]);
        assert!(!shared.contains("office") && !queues.contains("chat"), "{text}");
        assert_eq!(cells(queues, "office"), ["office", "10", "0", "7", "2", "1", "0", "4"]);
        assert_eq!(cells(processes, "office"), ["office", "10", "8", "9", "2", "1", "3", "0"]);
    }

    #[test]
    fn who_is_apart_is_red_and_who_is_alone_is_silent() {
        let red = snapshot(1).cluster_tables(None, 1.0, TopStyle { colours: true });
        assert_eq!(red.matches("\x1b[31m").count(), 1, "{red}");
        let alone = HostSnapshot { cluster: json!({ "cluster": null }), ..snapshot(1) };
        assert_eq!(alone.cluster_tables(None, 1.0, PLAIN), "");
    }
}
