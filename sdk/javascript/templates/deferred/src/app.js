import { Connection, defer, plugin } from 'sandloop';

class Deferred extends Connection {
  async serve() {
    for await (const line of this.lines()) {
      try {
        this.sendData(`${await defer('primes', line)}\n`);
      } catch (error) {
        this.sendData(`error: ${error.message}\n`);
      }
    }
  }
}

/** How many primes there are below a number: done off the loop, in a sandbox of its own. */
function primes(text) {
  if (!/^\d+$/.test(text)) throw new Error('not a number');
  const n = Number(text);
  if (n > 1_000_000) throw new Error('too large');
  const composite = new Uint8Array(n);
  let count = 0;
  for (let i = 2; i < n; i += 1) {
    if (composite[i]) continue;
    count += 1;
    for (let j = i * i; j < n; j += i) composite[j] = 1;
  }
  return count;
}

export default plugin({ Deferred }, { operations: { primes } });
