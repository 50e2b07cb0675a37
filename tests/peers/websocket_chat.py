"""Guests of the plugin ws-chat: websocket_chat.py ws://HOST:PORT/chat prints ok."""

import asyncio
import sys

import websockets

URL = sys.argv[1]


async def enter(room):
    return await websockets.connect(f"{URL}?room={room}", open_timeout=20)


async def hear(guest, count):
    return [await asyncio.wait_for(guest.recv(), 20) for _ in range(count)]


async def code(guest):
    try:
        await asyncio.wait_for(guest.recv(), 20)
    except websockets.ConnectionClosed:
        return guest.close_code


def check(what, seen, expected):
    if seen != expected:
        raise SystemExit(f"{what}: {seen!r:.300} and not {expected!r:.300}")


async def main():
    guests = [await enter("a") for _ in range(5)]
    other = await enter("b")
    # Each subscription is there once its guest has heard something.
    for number, guest in enumerate(guests):
        await guest.send(f"here {number}")
        for each in guests:
            await hear(each, 1)
    await asyncio.gather(*(
        guest.send(f"{name} {number}")
        for number in range(20) for name, guest in enumerate(guests)
    ))
    heard = await asyncio.gather(*(hear(guest, 100) for guest in guests))
    for seen in heard:
        check("one order for all", seen, heard[0])
    for name in range(5):
        own = [message for message in heard[0] if message.startswith(f"{name} ")]
        check("each in its own order", own, [f"{name} {number}" for number in range(20)])
    await guests[0].close()
    await guests[1].send("bye")
    for guest in guests[1:]:
        check("those who stay", await hear(guest, 1), ["bye"])
    await other.send("alone")
    check("another room", await hear(other, 1), ["alone"])
    await guests[1].send(b"bytes")
    check("bytes", await code(guests[1]), 1003)
    await guests[2].send("x" * 5000)
    check("too large", await code(guests[2]), 1009)
    await guests[3].send("still here")
    check("the others", await hear(guests[4], 1), ["still here"])
    for guest in [other, *guests]:
        await guest.close()
    print("ok")


asyncio.run(main())
