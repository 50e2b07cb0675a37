"""pika as the other end of a test: each line of standard input is a command, each is answered with a line.

    {"do": "connect", "uri": "amqp://guest:guest@127.0.0.1:5672/%2F"}
    {"do": "queue_declare", "queue": "q", "durable": true}
    {"do": "publish", "exchange": "", "routing_key": "q", "body": "hello", "properties": {"priority": 3}}
    {"do": "consume", "queue": "q", "count": 1}

The answer is {"ok": VALUE} or {"error": {"code": 404, "text": "NOT_FOUND - ..."}}, with code 0 where the broker gave
none. What is not a command below is a method of pika's channel. A body has a character for each byte; what JSON does not
have is {"bytes": "\\u00ff"}, {"decimal": "1.5"} and {"timestamp": 1700000000}.
"""

import json
import re
import sys
from datetime import datetime, timezone
from decimal import Decimal

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

# Less than a test waits, so that this side says what is missing.
PATIENCE = 20


class Peer:
    """One connection, and the channel that commands use."""

    def connect(self, uri, external=False):
        parameters = pika.URLParameters(uri)
        if external:
            parameters.credentials = pika.credentials.ExternalCredentials()
        parameters.heartbeat = 0  # it does nothing while it waits for a command
        self.connection = pika.BlockingConnection(parameters)
        self.blocked = False
        self.connection.add_on_connection_blocked_callback(lambda *_: self.block(True))
        self.connection.add_on_connection_unblocked_callback(lambda *_: self.block(False))
        self.channel()

    def block(self, blocked):
        self.blocked = blocked

    def channel(self):
        """A new channel, for one that the broker has closed."""
        self.the_channel = self.connection.channel()
        self.returns = []
        self.the_channel.add_on_return_callback(lambda *event: self.returns.append(event[1:]))

    def close(self):
        self.connection.close()

    def publish(self, exchange, routing_key, body="", properties=None, mandatory=False):
        # Without confirms it is only sent; with them, it is confirmed when this returns.
        properties = pika.BasicProperties(**(properties or {}))
        self.the_channel.basic_publish(
            exchange, routing_key, body.encode("latin-1"), properties, mandatory)

    def get(self, queue, auto_ack=True):
        """A message, or null."""
        method, properties, body = self.the_channel.basic_get(queue, auto_ack)
        return method and message(method, properties, body)

    def consume(self, queue, count, ack=True, auto_ack=False, exclusive=False, arguments=None):
        """So many messages, each acknowledged unless ack is false; the consumer goes on until "cancel"."""
        messages = []
        for method, properties, body in self.events(queue, auto_ack, exclusive, arguments):
            if method is None:
                raise LookupError(f"only {len(messages)} messages came: {messages!r:.500}")
            messages.append(message(method, properties, body))
            if ack and not auto_ack:
                self.the_channel.basic_ack(method.delivery_tag)
            if len(messages) == count:
                self.connection.process_data_events(0)  # sends the last acknowledgement
                return messages
        raise LookupError(f"the broker cancelled after {len(messages)} messages")

    def cancelled(self, queue):
        """Waits until the broker cancels the consumer that `consume` has left on this queue."""
        for method, _, body in self.events(queue):
            raise LookupError("nothing came" if method is None else f"{body!r:.500} came")

    def events(self, queue, auto_ack=False, exclusive=False, arguments=None):
        return self.the_channel.consume(queue, auto_ack, exclusive, arguments, PATIENCE)

    def closed(self):
        """Waits until the broker closes; the answer is the error that it closes with."""
        self.wait(lambda: False, "the broker does not close")

    def returned(self):
        """Waits for a message that comes back as it could not be routed."""
        self.wait(lambda: self.returns, "no message is returned")
        method, properties, body = self.returns.pop(0)
        return message(method, properties, body)

    def is_blocked(self, expected):
        """Waits until the broker has said that it takes nothing, or that it takes again."""
        self.wait(lambda: self.blocked == expected, f"blocked is {self.blocked}")

    def wait(self, done, otherwise):
        end = datetime.now().timestamp() + PATIENCE
        while not done():
            left = end - datetime.now().timestamp()
            if left <= 0:
                raise LookupError(otherwise)
            self.connection.process_data_events(left)

    def run(self, command):
        name = command.pop("do")
        do = getattr(self, name, None) or getattr(self.the_channel, name)
        answer = do(**command)
        return fields(answer.method) if hasattr(answer, "method") else answer


def message(method, properties, body):
    said = {name: value for name, value in fields(properties).items() if value is not None}
    return {**fields(method), "properties": said, "body": body.decode("latin-1")}


def fields(thing):
    return {name: value for name, value in vars(thing).items() if not name.startswith("_")}


def to_json(value):
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, datetime):
        return {"timestamp": int(value.replace(tzinfo=timezone.utc).timestamp())}
    return {"decimal": str(value)}


def from_json(value):
    match value:
        case {"bytes": text, **rest} if not rest:
            return text.encode("latin-1")
        case {"timestamp": seconds, **rest} if not rest:
            return datetime.fromtimestamp(seconds, timezone.utc)
        case {"decimal": text, **rest} if not rest:
            return Decimal(text)
    return value


def error_of(error):
    if isinstance(error, UnroutableError):
        method = error.messages[0].method
        return {"code": method.reply_code, "text": method.reply_text}
    if isinstance(error, NackError):
        return {"code": 0, "text": "nack"}
    if isinstance(error, AMQPError) and hasattr(error, "reply_code"):
        return {"code": error.reply_code, "text": error.reply_text}
    # Before a connection is open, pika has the broker's error only as text in another.
    if told := re.search(r"ConnectionClosedByBroker: \((\d+)\) ['\"](.*)['\"]", str(error)):
        return {"code": int(told[1]), "text": told[2]}
    return {"code": 0, "text": f"{type(error).__name__}: {error}"}


def main():
    peer = Peer()
    for line in sys.stdin:
        try:
            answer = {"ok": peer.run(json.loads(line, object_hook=from_json))}
        except Exception as error:  # whatever it is, the test has to know
            answer = {"error": error_of(error)}
        print(json.dumps(answer, default=to_json), flush=True)


main()
