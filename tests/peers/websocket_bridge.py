"""Somebody at the plugin amqp-bridge: websocket_bridge.py ws://HOST:PORT/ SAID HEARD says one thing, waits for the other and
prints ok."""

import asyncio
import sys

import websockets


async def main(url, said, heard):
    async with websockets.connect(url, open_timeout=20) as socket:
        await socket.send(said)
        message = await asyncio.wait_for(socket.recv(), 20)
        if message != heard:
            raise SystemExit(f"{message!r} and not {heard!r}")
    print("ok")


asyncio.run(main(*sys.argv[1:]))
