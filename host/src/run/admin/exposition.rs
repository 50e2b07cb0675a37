//! The exposition formats of metrics: that of Prometheus, which every version and `promtool` read, and OpenMetrics for
//! clients that request it.
//!
//! They differ only in the names of counter families and in the last line, so one writer serves both. The usual library
//! writes OpenMetrics only.

use std::fmt::{Display, Write};

use crate::base::histogram::{Distribution, EDGES};

/// The format of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpositionFormat {
    /// Prometheus's own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// The type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// The description of a family.
#[derive(Debug)]
pub(super) struct MetricName {
    /// Its name; a counter's ends in `_total`.
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) labels: &'static [&'static str],
    /// The text of its `HELP` line.
    pub(super) help: &'static str,
}

impl ExpositionFormat {
    /// The format that a client accepts, by its `Accept` header.
    pub(super) fn accepted(accept: Option<&str>) -> ExpositionFormat {
        let wants = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if wants { ExpositionFormat::OpenMetrics } else { ExpositionFormat::Prometheus }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            ExpositionFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            ExpositionFormat::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }
}

impl MetricKind {
    /// Its name in the `TYPE` line.
    pub(super) fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// The text of an exposition while it is written.
#[derive(Debug)]
pub(super) struct Exposition {
    format: ExpositionFormat,
    text: String,
}

impl Exposition {
    pub(super) fn new(format: ExpositionFormat) -> Exposition {
        Exposition { format, text: String::new() }
    }

    /// Begins a family; its samples follow.
    pub(super) fn family<'a>(&'a mut self, of: &'a MetricName) -> Samples<'a> {
        let name = match (self.format, of.kind) {
            (ExpositionFormat::OpenMetrics, MetricKind::Counter) => {
                of.name.strip_suffix("_total").unwrap_or(of.name)
            }
            _ => of.name,
        };
        let kind = of.kind.name();
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}", of.help);
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        Samples { of, text: &mut self.text }
    }

    /// Ends the text.
    pub(super) fn finish(mut self) -> String {
        if self.format == ExpositionFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The samples of one family.
pub(super) struct Samples<'a> {
    of: &'a MetricName,
    text: &'a mut String,
}

impl Samples<'_> {
    /// Adds a sample, with a value for each label of the family.
    pub(super) fn add(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Adds the samples of a distribution.
    pub(super) fn distribution(&mut self, labels: &[&str], distribution: &Distribution) {
        let mut below = 0;
        let edges = EDGES.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
        for (edge, count) in edges.zip(distribution.buckets) {
            below += count;
            self.line("_bucket", labels, Some(edge), below);
        }
        self.line("_sum", labels, None, seconds(distribution.sum));
        self.line("_count", labels, None, below);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], edge: Option<&str>, value: impl Display) {
        debug_assert_eq!(labels.len(), self.of.labels.len(), "{}", self.of.name);
        let named = self.of.labels.iter().copied().zip(labels.iter().copied());
        let _ = write!(self.text, "{}{suffix}", self.of.name);
        for (number, (name, value)) in named.chain(edge.map(|edge| ("le", edge))).enumerate() {
            self.text.push(if number == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"");
            escape(self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() || edge.is_some() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: MetricName = MetricName {
        name: "a_total",
        kind: MetricKind::Counter,
        labels: &["b", "c"],
        help: "Help.",
    };

    #[test]
    fn a_counter_in_both_formats() {
        for (format, expected) in [
            (
                ExpositionFormat::Prometheus,
                "# HELP a_total Help.\n# TYPE a_total counter\na_total{b=\"x\",c=\"\\\"\\\\\\n\"} 1\n",
            ),
            (
                ExpositionFormat::OpenMetrics,
                "# HELP a Help.\n# TYPE a counter\na_total{b=\"x\",c=\"\\\"\\\\\\n\"} 1\n# EOF\n",
            ),
        ] {
            let mut exposition = Exposition::new(format);
            exposition.family(&COUNTER).add(&["x", "\"\\\n"], 1);
            assert_eq!(exposition.finish(), expected);
        }
    }

    #[test]
    fn buckets_count_what_is_below_their_edges() {
        let of =
            MetricName { name: "t_seconds", kind: MetricKind::Histogram, labels: &[], help: "T." };
        let mut distribution = Distribution { sum: 1_500_000_000, ..Distribution::default() };
        distribution.buckets[0] = 2;
        distribution.buckets[EDGES.len()] = 1;
        let mut exposition = Exposition::new(ExpositionFormat::Prometheus);
        exposition.family(&of).distribution(&[], &distribution);
        let text = exposition.finish();
        assert!(text.contains("t_seconds_bucket{le=\"5e-06\"} 2\n"), "{text}");
        assert!(text.contains("t_seconds_bucket{le=\"10.0\"} 2\n"), "{text}");
        let end = "t_seconds_bucket{le=\"+Inf\"} 3\nt_seconds_sum 1.5\nt_seconds_count 3\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_client_has_the_format_that_it_asks_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        for (accept, expected) in [
            (None, ExpositionFormat::Prometheus),
            (Some("*/*"), ExpositionFormat::Prometheus),
            (Some("text/plain"), ExpositionFormat::Prometheus),
            (Some(prometheus), ExpositionFormat::OpenMetrics),
        ] {
            assert_eq!(ExpositionFormat::accepted(accept), expected, "{accept:?}");
        }
    }
}
