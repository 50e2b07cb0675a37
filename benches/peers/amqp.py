"""pika through a broker: amqp.py URI MESSAGES publishes, confirms, consumes and acknowledges, and says how fast.

Prints `begin` when the queue is there, and after the last confirm and acknowledgement a line of JSON.

Persistent messages of a durable queue, in one process, on one connection: a channel publishes with confirms and a
window, another consumes with a prefetch and acknowledges each message. SelectConnection is pika's fastest; that one
call publishes as many as the window takes lets a socket's buffer leave together.
"""

import argparse
import json
import logging
import time

import pika

arguments = argparse.ArgumentParser()
arguments.add_argument("uri")
arguments.add_argument("messages", type=int)
arguments.add_argument("--bytes", type=int, default=1024)
arguments.add_argument("--window", type=int, default=1000, help="messages that wait for their confirm")
arguments.add_argument("--prefetch", type=int, default=1000, help="messages that wait for their acknowledgement")
arguments.add_argument("--ack-every", type=int, default=1, help="messages that one acknowledgement is for")
arguments.add_argument("--mode", choices=["both", "publish", "consume"], default="both")
arguments.add_argument("--queue", default="bench")
OPTIONS = arguments.parse_args()
# What is wrong is said by the end of the program.
logging.getLogger("pika").setLevel(logging.CRITICAL)

PERSISTENT = pika.BasicProperties(delivery_mode=2)
PADDING = bytes(OPTIONS.bytes - 8)


class Publisher:
    """Keeps the window full until all is confirmed."""

    def __init__(self, channel, done):
        self.channel, self.done = channel, done
        self.sent = self.confirmed = 0
        self.early = set()
        channel.confirm_delivery(self.on_confirm, lambda _: self.fill())

    def fill(self):
        most = min(self.confirmed + OPTIONS.window, OPTIONS.messages)
        publish, queue = self.channel.basic_publish, OPTIONS.queue
        for number in range(self.sent, most):
            publish("", queue, number.to_bytes(8, "big") + PADDING, PERSISTENT)
        self.sent = most

    def on_confirm(self, frame):
        method = frame.method
        if not isinstance(method, pika.spec.Basic.Ack):
            raise SystemExit(f"message {method.delivery_tag} is not confirmed")
        # One alone may be confirmed before an earlier one.
        if method.multiple:
            self.early = {tag for tag in self.early if method.delivery_tag < tag}
            self.confirmed = max(self.confirmed, method.delivery_tag)
        else:
            self.early.add(method.delivery_tag)
        while self.confirmed + 1 in self.early:
            self.confirmed += 1
            self.early.remove(self.confirmed)
        self.fill()
        if self.confirmed == OPTIONS.messages:
            self.done(self)


class Consumer:
    """Takes and acknowledges all messages, each in its turn."""

    def __init__(self, channel, done):
        self.channel, self.done = channel, done
        self.received = 0
        channel.basic_qos(prefetch_count=OPTIONS.prefetch, callback=self.on_qos)

    def on_qos(self, _):
        self.channel.basic_consume(OPTIONS.queue, self.on_message)

    def on_message(self, channel, method, _, body):
        number = int.from_bytes(body[:8], "big")
        if number != self.received or len(body) != OPTIONS.bytes or method.redelivered:
            raise SystemExit(f"message {number} of {len(body)} bytes comes after {self.received} others")
        self.received += 1
        is_last = self.received == OPTIONS.messages
        if is_last or self.received % OPTIONS.ack_every == 0:
            channel.basic_ack(method.delivery_tag, multiple=1 < OPTIONS.ack_every)
        if is_last:
            self.done(self)


class Bench:
    """The connection, from its opening to its close."""

    def __init__(self):
        parameters = pika.URLParameters(OPTIONS.uri)
        self.running = set()
        self.connection = pika.SelectConnection(
            parameters, self.on_open, on_open_error_callback=self.failed, on_close_callback=self.on_close)

    def on_open(self, connection):
        self.control = connection.channel(on_open_callback=self.declare)

    def declare(self, channel):
        channel.queue_declare(OPTIONS.queue, durable=True, callback=self.on_declared)

    def on_declared(self, _):
        kinds = {"both": [Consumer, Publisher], "publish": [Publisher], "consume": [Consumer]}
        print("begin", flush=True)
        self.start, self.cpu = time.monotonic(), time.process_time()
        for kind in kinds[OPTIONS.mode]:
            self.connection.channel(on_open_callback=lambda channel, kind=kind: self.begin(kind, channel))
            self.running.add(kind)

    def begin(self, kind, channel):
        channel.add_on_close_callback(lambda _, reason: self.on_channel_close(reason))
        kind(channel, self.done)

    def on_channel_close(self, reason):
        if self.running:
            raise SystemExit(f"the channel is closed: {reason}")

    def done(self, what):
        self.running.discard(type(what))
        if not self.running:
            self.report(time.monotonic() - self.start, time.process_time() - self.cpu)
            self.connection.close()

    @staticmethod
    def report(seconds, cpu):
        print(json.dumps({
            "messages": OPTIONS.messages,
            "seconds": round(seconds, 3),
            "messages_per_second": round(OPTIONS.messages / seconds),
            "cpu_seconds": round(cpu, 3),
        }), flush=True)

    def failed(self, _, reason):
        raise SystemExit(f"no connection: {reason}")

    def on_close(self, connection, reason):
        connection.ioloop.stop()
        if self.running:
            raise SystemExit(f"the connection is closed: {reason}")

    def run(self):
        self.connection.ioloop.start()


Bench().run()
