import { accept, fakes, fakeSocket, logged, refusal } from './fakes.mjs';
import assert from 'node:assert/strict';
import test from 'node:test';

const sdk = await import('../sandloop.js');
const { Connection, exportsOf, plugin } = sdk;
const { drain, onJob } = await import('../lib/promise.js');

const bytes = (text) => new TextEncoder().encode(text);
const ending = () => logged.at(-1)?.[1] ?? '';
// Under Node.js `async` is the engine's own; the SDK's promises wait for a callback's end as they do in a component.
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
onJob(() => setImmediate(() => { try { drain(); } catch { /* told already */ } }));

test('an echo', () => {
  class Echo extends Connection {
    receiveData(data) {
      this.sendData(data);
      this.sendData(' €');
    }
  }
  const exported = exportsOf(plugin({ Echo }));
  assert.deepEqual(exported.catalog.handlers(), ['echo']);
  const { held, socket } = accept(exported);
  held.receiveData(bytes('hi'));
  held.unbind('peer-closed');
  assert.equal(socket.text(), 'hi €');
});

test('listeners choose handlers by name, and options come along', () => {
  class One extends Connection {
    postInit() {
      this.sendData(this.options.text);
    }
  }
  class Two extends Connection {}
  const exported = exportsOf(plugin({ One, Two }));
  assert.equal(accept(exported, 'one', [['text', 'hello']]).socket.text(), 'hello');
  assert.throws(() => accept(exported, 'three'), /see the line before/);
  assert.match(ending(), /names the handler three, and the plugin has the handlers one, two: handler = "one"/);
});

test('an error in a callback is one line with its place', () => {
  class Oops extends Connection {
    receiveData() {
      null.foo;
    }
  }
  const { held } = accept(exportsOf(plugin({ Oops })));
  assert.throws(() => held.receiveData(bytes('x')), /see the line before/);
  assert.match(ending(), /^Oops\.receiveData threw TypeError: .*plugin\.test\.mjs:\d+/);
});

test('timers: the host uses ids again, an old handle does nothing', () => {
  const cancelled = [];
  fakes.timers = { addTimer: () => 1, cancelTimer: (id) => cancelled.push(id) };
  const exported = exportsOf(plugin({}));
  const fired = [];
  const first = sdk.setTimeout((value) => fired.push(value), 5, 'first');
  exported.timersHandler.timerFired(1);
  const second = sdk.setTimeout(() => fired.push('second'), 5);
  sdk.clearTimeout(first);
  assert.ok(second.active);
  exported.timersHandler.timerFired(1);
  assert.deepEqual([fired, cancelled], [['first', 'second'], []]);
  second.restart();
  second.cancel();
  assert.deepEqual(cancelled, [1]);
  assert.throws(() => sdk.setTimeout('code'), /setTimeout takes a function, not string/);
  fakes.timers.addTimer = () => {
    throw refusal('limit');
  };
  assert.throws(() => sdk.setTimeout(() => {}), { name: 'HostError', code: 'limit' });
});

test('what belongs to a connection ends with it', () => {
  const ended = [];
  fakes.timers = { addPeriodicTimer: () => 9, cancelTimer: (id) => ended.push(`timer ${id}`) };
  fakes.channels = { subscribe: () => 4, unsubscribe: (id) => ended.push(`subscription ${id}`) };
  class Owner extends Connection {
    postInit() {
      this.setInterval(() => {}, 10);
      this.subscribe('room', () => {});
    }
  }
  accept(exportsOf(plugin({ Owner }))).held.unbind('closed');
  assert.deepEqual(ended, ['timer 9', 'subscription 4']);
});

test('sending: a full outbox closes, what comes too late is told once', () => {
  class Sender extends Connection {}
  const { held, socket } = accept(exportsOf(plugin({ Sender })));
  const answer = (code) => (socket.sendData = () => { throw refusal(code); });
  answer('outbox-full');
  held.it.sendData('x');
  assert.match(socket.text(), /<close>/);
  assert.throws(() => held.it.trySendData('x'), { code: 'outbox-full' });
  answer('closing');
  held.it.sendData('x');
  held.unbind('peer-closed');
  answer('closed');
  logged.length = 0;
  held.it.sendData('x');
  held.it.sendData('x');
  assert.equal(logged.length, 1);
  assert.match(ending(), /has ended \(peer-closed\) sends nothing at .*plugin\.test\.mjs:\d+.*end in unbind/);
});

test('lines, however they are cut, and none beyond the bound', async () => {
  const seen = [];
  class Lines extends Connection {
    postInit() {
      this.next();
    }
    next() {
      this.readLine(8).then(
        (line) => {
          seen.push(line);
          if (line !== null) this.next();
        },
        (error) => seen.push(error.message),
      );
    }
  }
  const exported = exportsOf(plugin({ Lines }));
  const first = accept(exported).held;
  for (const piece of ['on', 'e\r', '\ntwo\n\nth', 'ree\nrest']) {
    first.receiveData(bytes(piece));
    await settle();
  }
  first.unbind('peer-closed');
  await settle();
  assert.deepEqual(seen.splice(0), ['one', 'two', '', 'three', null]);
  const second = accept(exported).held;
  second.receiveData(bytes('0123456789'));
  await settle();
  assert.match(seen[0], /a line of more than 8 bytes/);
});

test('a peer that is not read is not read by the host either', async () => {
  class Slow extends Connection {
    async serve() {}
  }
  const { held, socket } = accept(exportsOf(plugin({ Slow })));
  held.receiveData(new Uint8Array(70000));
  assert.equal(socket.text(), '<pause>');
  held.it.readExactly(80000);
  await settle();
  assert.equal(socket.text(), '<pause><resume>');
});

test('connecting: by a class, and by waiting', async () => {
  const asked = [];
  fakes.sockets = { connect: (address, token) => asked.push([address.val.port, token]) };
  class Client extends Connection {}
  const exported = exportsOf(plugin({}));
  sdk.connect('localhost', 1, Client);
  const make = ([, token]) => new exported.handler.Connection(fakeSocket(), { tag: 'connected', val: token });
  assert.ok(make(asked[0]).it instanceof Client);
  const outcomes = [];
  for (const _ of [1, 2]) sdk.connect('localhost', 2).then((made) => outcomes.push(made instanceof Connection), (error) => outcomes.push(error.code));
  make(asked[1]).connectionCompleted();
  make(asked[2]).unbind('refused');
  await settle();
  assert.deepEqual(outcomes, [true, 'refused']);
  assert.throws(() => sdk.connect('localhost', 3, 'Client'), /takes a class that extends Connection, not string/);
  assert.throws(() => new Client(), /the host makes connections/);
});

test('deferred work goes over as JSON or bytes, its errors as text', async () => {
  let job;
  fakes.deferred = { defer: (number, argument) => ((job = [number, argument]), 3) };
  const exported = exportsOf(plugin({}, { operations: { twice: (n) => n * 2, bad() { throw new Error('too large'); } } }));
  const outcomes = [];
  sdk.defer('twice', 21).then((value) => outcomes.push(value));
  exported.deferredHandler.completed(3, { tag: 'ok', val: exported.operations.run(...job) });
  sdk.defer('bad').catch((error) => outcomes.push([error.kind, error.message]));
  assert.throws(() => exported.operations.run(...job), /^Error: too large$/);
  exported.deferredHandler.completed(3, { tag: 'err', val: { tag: 'failed', val: 'too large' } });
  await settle();
  assert.deepEqual(outcomes, [42, ['failed', 'too large']]);
  assert.throws(() => sdk.defer('other'), /there is no operation other.*there are twice, bad/);
});

test("Node's dialect", async () => {
  const seen = [];
  const exported = exportsOf(
    sdk.serve((socket) => {
      socket.setEncoding('utf8');
      socket.on('data', (data) => socket.write(data.toUpperCase()));
      socket.on('end', () => seen.push('end'));
      socket.on('close', (failed) => seen.push(failed));
    }),
  );
  const { held, socket } = accept(exported);
  Object.assign(socket, { outboundDataSize: () => 0 });
  held.receiveData(bytes('h\xe9'));
  assert.equal(socket.text(), 'HÉ');
  held.unbind('peer-closed');
  await settle();
  assert.deepEqual(seen, ['end', false]);
});

test('mistakes of plugin() are told where it is called', () => {
  class recieve extends Connection {
    recieveData() {}
  }
  class snake extends Connection {
    receive_data() {}
  }
  for (const [call, words] of [
    [() => plugin(5), /takes an object of classes.*not number/],
    [() => plugin({ Echo: 5 }), /Echo is number: it has to be a class that extends Connection/],
    [() => plugin({ Echo: class {} }), /it has to be a class that extends Connection/],
    [() => plugin({ recieve }), /never calls recieveData: the callback is called receiveData/],
    [() => plugin({ snake }), /never calls receive_data: the callback is called receiveData/],
    [() => plugin({}, { begin() {} }), /takes prepare, start/],
  ]) {
    assert.throws(call, words);
  }
});

test('an answer that the host waits for must not be a promise', () => {
  class Draining extends Connection {
    draining() {
      return new sdk.Promise(() => {});
    }
  }
  const exported = exportsOf(plugin({ Draining }));
  const { held } = accept(exported);
  assert.throws(() => exported.drainHandler.draining(held, 1000), /see the line before/);
  assert.match(ending(), /Draining\.draining threw TypeError: it returned a promise.*must not be async/);
});

test('HTTP: an answer may come later, and the next request waits for it', () => {
  fakes.timers = { addTimer: () => 1, cancelTimer() {} };
  const waiting = [];
  class Hello extends sdk.HttpServer {
    processHttpRequest(request, response) {
      response.content = request.path;
      waiting.push(response);
    }
  }
  const exported = exportsOf(plugin({ Hello }));
  const { held, socket } = accept(exported);
  const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
  held.receiveData(bytes(get('/one') + get('/two', 'Connection: close\r\n')));
  assert.equal(socket.text(), '<pause>');
  assert.equal(exported.drainHandler.draining(held, 1000), 'until-closed');
  waiting.shift().sendResponse();
  assert.match(socket.text(), /^<pause>HTTP\/1\.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\nDate: [^\r]+\r\n\r\n\/one<half><resume>$/);
  assert.equal(waiting.length, 0, 'it is the last one: the connection is draining');
});

test('HTTP: what is no field, or the server says itself, is a mistake', () => {
  class Hello extends sdk.HttpServer {
    processHttpRequest(request, response) {
      assert.throws(() => response.header('X', 'a\r\nY: b'), /a value one line/);
      assert.throws(() => response.header('A b', 'c'), /a name is a word/);
      assert.throws(() => response.header('Content-Length', 1), /the server says it itself/);
      response.sendResponse('x');
      assert.throws(() => response.sendResponse('y'), /has its answer already/);
    }
  }
  const { held, socket } = accept(exportsOf(plugin({ Hello })));
  held.receiveData(bytes('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  assert.match(socket.text(), /Content-Length: 1\r\n/);
});

test('a state for the next version', () => {
  let count = 2;
  const made = plugin({}, { save: () => Uint8Array.of(count), restore: ([given]) => { count = given; } });
  assert.equal(made.program, true);
  const { handoverHandler } = exportsOf(made);
  assert.deepEqual(handoverHandler.save(), Uint8Array.of(2));
  handoverHandler.restore(Uint8Array.of(7));
  assert.equal(count, 7);
  // What a plugin leaves out is nothing, and a state that nobody takes is told.
  const plain = exportsOf(plugin({}, { start() {} })).handoverHandler;
  assert.equal(plain.save(), undefined);
  assert.throws(() => plain.restore(Uint8Array.of(1)), /has no use for a state/);
  const texts = exportsOf(plugin({}, { save: () => 'é', restore() { throw new Error('of another age'); } })).handoverHandler;
  assert.deepEqual(texts.save(), bytes('é'));
  assert.throws(() => texts.restore(Uint8Array.of(1)), /of another age/);
  const wrong = exportsOf(plugin({}, { save: () => ({ count }) })).handoverHandler;
  assert.throws(() => wrong.save(), /see the line before/);
  assert.match(ending(), /save\(\) threw TypeError: it returned Object: it has to return a Uint8Array, a string or nothing/);
});
