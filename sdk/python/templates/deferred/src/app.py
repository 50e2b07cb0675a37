from sandloop import OperationError, Stream, defer, operation


class Deferred(Stream):
    async def serve(self) -> None:
        async for line in self.lines():
            try:
                self.send_data(f"{await defer(primes, line)}\n")
            except OperationError as error:
                self.send_data(f"error: {error}\n")


@operation
def primes(text: str) -> int:
    """How many primes there are below a number: done off the loop, in a sandbox of its own."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a number")
    n = int(text)
    if n > 1_000_000:
        raise ValueError("too large")
    composite = bytearray(n)
    for i in range(2, n):
        if i * i < n and not composite[i]:
            composite[i * i :: i] = b"\1" * len(range(i * i, n, i))
    return composite.count(0) - min(n, 2)
