"""Python's websockets against the guest http_websocket: websocket.py ws://HOST:PORT/ [deflate] prints ok."""

import asyncio
import sys

import websockets

URL = sys.argv[1]
EXTENSIONS = ["permessage-deflate"] if "deflate" in sys.argv[2:] else []


def check(what, seen, expected):
    if seen != expected:
        raise SystemExit(f"{what}: {seen!r:.300} and not {expected!r:.300}")


async def connect():
    # It offers permessage-deflate; where none is accepted, that must not matter.
    socket = await websockets.connect(URL, max_size=1 << 20, open_timeout=20, close_timeout=20)
    check("welcome", await socket.recv(), "welcome")
    check("extensions", [extension.name for extension in socket.extensions], EXTENSIONS)
    return socket


async def closed(socket):
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 20)
    except websockets.ConnectionClosed:
        return socket.close_code, socket.close_reason


async def main():
    socket = await connect()
    for message in ["hello", "", "h\u00e9llo \U0001f30d", b"", b"\x00\xff" * 1000, "x" * 99000]:
        await socket.send(message)
        check("echo", await socket.recv(), message)
    # In fragments, one in the middle of a character.
    await socket.send(["one ", "two ", "", "three"])
    check("fragments", await socket.recv(), "one two three")
    await socket.send([b"ab", b"cd"])
    check("binary fragments", await socket.recv(), b"abcd")
    # Many at once come back in order.
    for number in range(500):
        await socket.send(str(number))
    check("order", [await socket.recv() for _ in range(500)], [str(number) for number in range(500)])
    await asyncio.wait_for(await socket.ping(b"there?"), 20)
    await socket.close(4001, "enough")
    check("our close", (socket.close_code, socket.close_reason), (4001, "enough"))

    socket = await connect()
    await socket.send("close 4242 its own reason")
    check("its close", await closed(socket), (4242, "its own reason"))

    socket = await connect()
    await socket.send("x" * 100001)
    check("too large", (await closed(socket))[0], 1009)
    socket = await connect()
    await socket.send(["x" * 60000, "x" * 60000])
    check("too large in fragments", (await closed(socket))[0], 1009)

    many = [await connect() for _ in range(20)]
    for number, socket in enumerate(many):
        await socket.send(str(number))
    for number, socket in enumerate(many):
        check("side by side", await socket.recv(), str(number))
        await socket.close()
    print("ok")


asyncio.run(main())
