"""Channels, one to all, and queues, one to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import log
from ._loop import Future, HostError, ask, enter, need_host, to_bytes

Data = str | bytes | bytearray | memoryview

_members: dict[int, Subscription] = {}
_pops: dict[int, Pop] = {}


class Subscription:
    """A subscription to a channel."""

    def __init__(self, channel: Channel, subscription: int, action: Callable[[bytes], Any]) -> None:
        self.channel, self._id, self._action = channel, subscription, action

    def push_to_others(self, message: Data) -> None:
        """To all subscribers but this one."""
        self.channel._send(message, self._id)

    def unsubscribe(self) -> None:
        """Ends it at once."""
        if _members.get(self._id) is self:
            from wit_world.imports import channels

            del _members[self._id]
            channels.unsubscribe(self._id)

    cancel = unsubscribe


class Channel:
    """A channel, by its name: all sandboxes of a tenant mean the same one by the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def subscribe(self, action: Callable[[bytes], Any]) -> Subscription:
        """Calls `action` with every message from now on."""
        need_host("subscribe")
        from wit_world.imports import channels

        subscription = ask(f"subscribe to {self.name}", channels.subscribe, self.name)
        member = _members[subscription] = Subscription(self, subscription, action)
        return member

    def push(self, message: Data) -> None:
        """To all subscribers. At the bound the message is lost, and the log says so."""
        self._send(message, None)

    def _send(self, message: Data, besides: int | None) -> None:
        from wit_world.imports import channels

        data = to_bytes(message, "push")
        try:
            ask(f"push to {self.name}", channels.push, self.name, data, besides)
        except HostError as error:
            if error.code != "limit":
                raise
            log.warn(f"channel {self.name}: a message of {len(data)} bytes was lost: too much is on its way, or it is larger than a message may be")

    @property
    def num_subscribers(self) -> int:
        from wit_world.imports import channels

        return channels.num_subscribers(self.name)


class Pop(Future[bytes]):
    """An item that is waited for: `await` it, or give `pop` a function."""

    def __init__(self, pop: int, action: Callable[[bytes], Any] | None) -> None:
        super().__init__()
        self._id, self._action = pop, action

    def cancel(self) -> None:
        """Forgets it; an item that was on its way goes back to the front of the queue."""
        if _pops.get(self._id) is self:
            from wit_world.imports import queues

            del _pops[self._id]
            queues.cancel_pop(self._id)


class Queue:
    """A queue, by its name: items wait for pops and pops for items, first come, first served."""

    def __init__(self, name: str) -> None:
        self.name = name

    def push(self, item: Data) -> None:
        """Adds an item. Raises `HostError` with `limit` where the queue is full."""
        from wit_world.imports import queues

        ask(f"push to the queue {self.name}", queues.push, self.name, to_bytes(item, "push"))

    def pop(self, action: Callable[[bytes], Any] | None = None) -> Pop:
        """One item, as soon as there is one."""
        need_host("pop")
        from wit_world.imports import queues

        number = ask(f"pop from the queue {self.name}", queues.pop, self.name)
        pop = _pops[number] = Pop(number, action)
        return pop

    @property
    def size(self) -> int:
        from wit_world.imports import queues

        return queues.size(self.name)

    @property
    def num_waiting(self) -> int:
        from wit_world.imports import queues

        return queues.num_waiting(self.name)


def told(subscription: int, message: bytes) -> None:
    member = _members.get(subscription)
    if member:
        enter(f"the subscription to {member.channel.name}", member._action, message)


def popped(number: int, item: bytes) -> None:
    pop = _pops.pop(number, None)
    if pop:
        enter("the callback of a pop", pop._action or pop.set_result, item)
