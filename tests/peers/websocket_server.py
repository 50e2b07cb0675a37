"""Python's websockets as a server: websocket_server.py [deflate] prints its port, sends back texts, and prints how each
connection ended."""

import asyncio
import sys

import websockets

COMPRESSION = "deflate" if "deflate" in sys.argv[1:] else None


async def echo(socket):
    print("extensions", [extension.name for extension in socket.extensions], flush=True)
    try:
        while True:
            await socket.send(await socket.recv())
    except websockets.ConnectionClosed:
        pass
    print("closed", socket.close_code, socket.close_reason, flush=True)


async def main():
    server = await websockets.serve(
        echo, "127.0.0.1", 0, compression=COMPRESSION, subprotocols=["chat"], max_size=1 << 20
    )
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
