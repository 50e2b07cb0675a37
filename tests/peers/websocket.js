// Node's ws against the guest http_websocket: websocket.js ws://HOST:PORT/ [deflate] prints ok.
'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const WebSocket = require('ws');

const url = process.argv[2];
const deflate = process.argv[3] === 'deflate';

async function connect(options = {}) {
  const socket = new WebSocket(url, { handshakeTimeout: 20000, ...options });
  // Asks for permessage-deflate; where nobody knows it, that must not matter.
  const [[welcome]] = await Promise.all([once(socket, 'message'), once(socket, 'open')]);
  assert.strictEqual(welcome.toString(), 'welcome');
  assert.strictEqual(socket.extensions.startsWith('permessage-deflate'), deflate);
  return socket;
}

async function echo(socket, message, binary) {
  socket.send(message, { binary });
  const [data, isBinary] = await once(socket, 'message');
  assert.strictEqual(isBinary, binary);
  assert.ok(Buffer.from(message).equals(data), 'the same comes back');
}

// What the server answers to bytes that are no good frames: its close code.
async function breakRules(bytes) {
  const socket = await connect();
  socket.on('error', () => {});
  socket._socket.write(Buffer.from(bytes));
  const [code] = await once(socket, 'close');
  return code;
}

async function main() {
  const socket = await connect();
  await echo(socket, 'hello', false);
  await echo(socket, '', false);
  await echo(socket, Buffer.alloc(99000, 7), true);
  // A message in fragments with a ping between them.
  socket.send('one ', { fin: false });
  socket.ping('there?');
  socket.send('two', { fin: true });
  const [[message], [pong]] = await Promise.all([once(socket, 'message'), once(socket, 'pong')]);
  assert.deepStrictEqual([message.toString(), pong.toString()], ['one two', 'there?']);
  socket.close(4001, 'enough');
  let [code, reason] = await once(socket, 'close');
  assert.deepStrictEqual([code, reason.toString()], [4001, 'enough']);

  const other = await connect();
  other.send('close 1001 going away');
  [code, reason] = await once(other, 'close');
  assert.deepStrictEqual([code, reason.toString()], [1001, 'going away']);

  assert.strictEqual(await breakRules([0x81, 0x01, 0x78]), 1002); // not masked
  assert.strictEqual(await breakRules([0xa1, 0x80, 0, 0, 0, 0]), 1002); // a reserved bit
  assert.strictEqual(await breakRules([0x83, 0x80, 0, 0, 0, 0]), 1002); // no such kind
  assert.strictEqual(await breakRules([0x81, 0x81, 0, 0, 0, 0, 0xff]), 1007); // no UTF-8
  assert.strictEqual(await breakRules([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), 1009); // 4 GiB

  // A plain request is told what is spoken here.
  const { hostname, port } = new URL(url);
  const plain = net.connect(port, hostname);
  plain.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let text = '';
  for await (const piece of plain) text += piece;
  assert.match(text, /^HTTP\/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n/);
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
