"""Scans a TLS server with SSLyze: `tls_scan.py HOST:PORT CA` prints what is found, a line each: what was asked, what was seen."""

import json
import pathlib
import subprocess
import sys
import tempfile

SCANS = "ssl_2_0 ssl_3_0 tls_1_0 tls_1_1 tls_1_2 tls_1_3".split()


def versions(results):
    for version in SCANS:
        result = results(version + "_cipher_suites")
        suites = [suite["cipher_suite"]["name"] for suite in result["accepted_cipher_suites"]]
        yield version, ",".join(sorted(suites)) or "refused"


def certificate(results):
    for number, chain in enumerate(results("certificate_info")["certificate_deployments"]):
        verified = all(
            path["was_validation_successful"]
            for path in chain["path_validation_results"]
            if path["trust_store"]["name"] == "Supplied CA file"
        )
        yield f"certificate.{number}.verified", verified
        yield f"certificate.{number}.in-order", chain["received_chain_has_valid_order"]


def findings(results):
    yield from versions(results)
    yield from certificate(results)
    yield "compression", results("tls_compression")["supports_compression"]
    yield "early-data", results("tls_1_3_early_data")["supports_early_data"]
    yield "change-cipher-spec", results("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"]
    yield "downgrade-refused", results("tls_fallback_scsv")["supports_fallback_scsv"]
    yield "heartbleed", results("heartbleed")["is_vulnerable_to_heartbleed"]
    yield "robot", results("robot")["robot_result"]
    renegotiation = results("session_renegotiation")
    yield "renegotiation-secure", renegotiation["supports_secure_renegotiation"]
    yield "renegotiation-by-client", renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    yield "extended-master-secret", results("tls_extended_master_secret")["supports_ems_extension"]
    resumption = results("session_resumption")
    yield "tickets", resumption["tls_ticket_resumption_result"]


def scan(server, authority, report):
    command = [sys.executable, "-m", "sslyze", "--certinfo_ca_file", authority]
    command += ["--mozilla_config=intermediate", "--quiet", "--json_out", report]
    command += ["--certinfo", "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"]
    command += ["--compression", "--early_data", "--openssl_ccs", "--fallback", "--heartbleed"]
    command += ["--robot", "--reneg", "--ems", "--resum", "--elliptic_curves", server]
    return subprocess.run(command, capture_output=True, text=True)


def main():
    server, authority = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        run = scan(server, authority, str(report))
        (result,) = json.loads(report.read_text())["server_scan_results"]

    def results(name):
        scanned = result["scan_result"][name]
        if scanned["status"] != "COMPLETED":
            sys.exit(f"{name}: {scanned['status']}: {scanned['error_trace']}")
        return scanned["result"]

    for asked, seen in findings(results):
        print(asked, seen)
    # What Mozilla's profile asks of servers for everybody.
    words = " ".join(run.stdout.split())
    print("mozilla-intermediate", "compliant" if "OK - Compliant" in words else words[-600:])


main()
