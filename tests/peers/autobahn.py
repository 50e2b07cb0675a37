"""Runs the cases of Autobahn's test suite for WebSockets against a peer, with the runner kosoku.

`autobahn.py server ws://HOST:PORT` asks a server under test; `autobahn.py client` serves the cases to a client and prints
`at PORT` first. Further words select cases (`9.*`). Each case is a line: number, verdict on its messages, verdict on its end.
"""

import asyncio
import sys

from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver
from kosoku.cases import CASES


def take_bytes(case):
    """The runner hands the cases of compression a message that came uncompressed as text, one character a byte."""
    take = case.onMessage

    def on_message(self, message, binary):
        take(self, message.encode("latin-1") if isinstance(message, str) else message, binary)

    case.onMessage = on_message


for number, case in CASES.items():
    if number.startswith(("12.", "13.")):
        take_bytes(case)


async def results_of(side, words):
    if side == "server":
        url, *cases = words
        return await run_fuzzingclient(url, cases or None, concurrency=4)
    async with run_fuzzingserver(words or None, host="127.0.0.1", port=0) as server:
        print(f"at {server.port}", flush=True)
        return await server.get_result()


async def main():
    side, *words = sys.argv[1:]
    try:
        results = await results_of(side, words)
    except FailureError as failure:
        # The one who reads the lines judges.
        results = failure.results
    for result in results:
        behavior, close = (
            verdict.value.replace(" ", "-")
            for verdict in (result.behavior, result.behavior_close)
        )
        print(f"{result.case_id} {behavior} {close}")


asyncio.run(main())
