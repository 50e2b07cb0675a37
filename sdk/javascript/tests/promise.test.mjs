import './fakes.mjs';
import assert from 'node:assert/strict';
import test from 'node:test';

const { Promise: Ours, drain, enqueue } = await import('../lib/promise.js');

/** What becomes of a promise once every job has run. */
function outcome(promise) {
  let found = 'pending';
  promise.then(
    (value) => (found = { value }),
    (error) => (found = { error: error?.message ?? error }),
  );
  drain();
  return found;
}

test('callbacks run after the code that is running, in order', () => {
  const order = [];
  Ours.resolve(1).then(() => order.push('first'));
  enqueue(() => order.push('second'));
  new Ours((resolve) => resolve(order.push('executor'))).then(() => order.push('third'));
  assert.deepEqual(order, ['executor']);
  drain();
  assert.deepEqual(order, ['executor', 'first', 'second', 'third']);
});

test('a promise is settled once, and takes over what it is resolved with', () => {
  assert.deepEqual(outcome(new Ours((yes, no) => (yes(1), yes(2), no(3)))), { value: 1 });
  assert.deepEqual(outcome(Ours.resolve(Ours.resolve(5))), { value: 5 });
  assert.deepEqual(outcome(new Ours((yes) => yes({ then: (done) => done('thenable') }))), { value: 'thenable' });
  assert.deepEqual(
    outcome(
      new Ours((yes) =>
        yes({
          get then() {
            throw new Error('getter');
          },
        }),
      ),
    ),
    { error: 'getter' },
  );
  const { promise, resolve } = Ours.withResolvers();
  resolve(promise);
  assert.match(outcome(promise).error, /cannot wait for itself/);
});

test('then, catch and finally', () => {
  assert.deepEqual(outcome(Ours.reject('no').catch((reason) => `${reason}!`)), { value: 'no!' });
  assert.deepEqual(outcome(Ours.resolve(1).then(() => { throw new Error('thrown'); })), { error: 'thrown' });
  assert.deepEqual(outcome(Ours.resolve(1).finally(() => 2)), { value: 1 });
  assert.deepEqual(outcome(Ours.resolve(1).finally(() => Ours.reject('later'))), { error: 'later' });
  assert.deepEqual(outcome(Ours.resolve(3).then('no function')), { value: 3 });
});

test('several at once', () => {
  const later = (value) => new Ours((yes) => enqueue(() => enqueue(() => yes(value))));
  assert.deepEqual(outcome(Ours.all([later(1), 2, Ours.resolve(3)])), { value: [1, 2, 3] });
  assert.deepEqual(outcome(Ours.all([])), { value: [] });
  assert.deepEqual(outcome(Ours.all([1, Ours.reject('x')])), { error: 'x' });
  assert.deepEqual(outcome(Ours.race([later(1), 2])), { value: 2 });
  assert.deepEqual(outcome(Ours.any([Ours.reject('x'), later(4)])), { value: 4 });
  assert.match(outcome(Ours.any([Ours.reject('x')])).error, /all promises were rejected/);
  assert.deepEqual(outcome(Ours.allSettled([1, Ours.reject('x')])), {
    value: [{ status: 'fulfilled', value: 1 }, { status: 'rejected', reason: 'x' }],
  });
  assert.deepEqual(outcome(Ours.try((a, b) => a + b, 1, 2)), { value: 3 });
});

test('a rejection that nobody waits for is an error; one that is waited for in time is none', () => {
  Ours.reject(new Error('nobody'));
  assert.throws(drain, /nobody/);
  const late = Ours.reject(new Error('late'));
  enqueue(() => late.catch(() => {}));
  drain();
});

test("a promise of the engine's own is refused with a remedy", () => {
  const native = globalThis.Promise;
  const promise = native.resolve(1);
  globalThis.Promise = Ours;
  try {
    assert.match(outcome(Ours.resolve(promise)).error, /promise of the engine itself.*sandloop-build/s);
  } finally {
    globalThis.Promise = native;
  }
});

test('subclasses keep their class', () => {
  class Mine extends Ours {}
  assert.ok(Mine.resolve(1).then(() => {}) instanceof Mine);
  drain();
});
