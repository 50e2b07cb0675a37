"""Reads a file as OpenMetrics with the strict parser of Prometheus's client: openmetrics.py FILE prints ok."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as file:
    families = list(text_string_to_metric_families(file.read()))
samples = sum(len(family.samples) for family in families)
assert 30 < len(families) and 100 < samples, (len(families), samples)
assert all(family.documentation for family in families)
print("ok")
