// Counting primes takes long, so that a worker does it, off the loop.
import { Answer, LineConnection, Operation, plugin } from "sandloop";

const primes = new Operation((argument: Uint8Array): Answer => {
  const text = String.UTF8.decode(argument.buffer);
  const n = I64.parseInt(text);
  if (n.toString() != text || n < 0) return Answer.failure("not a number");
  if (n > 1_000_000) return Answer.failure("too large");
  const isComposite = new Uint8Array(<i32>n);
  let count = 0;
  for (let i: i64 = 2; i < n; i++) {
    if (isComposite[<i32>i]) continue;
    count++;
    for (let j = i * i; j < n; j += i) isComposite[<i32>j] = 1;
  }
  return Answer.text(count.toString());
});

class Deferred extends LineConnection {
  receiveLine(line: string): void {
    primes.defer<Deferred>(Uint8Array.wrap(String.UTF8.encode(line)), this, (connection, outcome) => {
      const error = outcome.error;
      if (error) connection.sendText("error: " + error + "\n");
      else connection.sendText(String.UTF8.decode(outcome.result.buffer) + "\n");
    });
  }
}

plugin().handler("deferred", () => new Deferred());
