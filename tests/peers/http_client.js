// Node's http against the guest http_forms: http_client.js URL prints ok.
'use strict';

const assert = require('node:assert');
const http = require('node:http');

const base = process.argv[2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sockets = new Set();

function ask(method, path, { body = [], headers = {}, expect = false } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(base + path, { method, headers, agent, timeout: 20000 });
    let continued = false;
    const send = () => {
      for (const piece of body) request.write(piece);
      request.end();
    };
    request.on('continue', () => {
      continued = true;
      send();
    });
    request.on('error', reject);
    request.on('timeout', () => reject(new Error(`${path}: no answer`)));
    request.on('response', (response) => {
      sockets.add(response.socket);
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status, headers, trailers } = response;
        resolve({ status, headers, trailers, continued, body: Buffer.concat(pieces).toString() });
      });
    });
    if (expect) request.flushHeaders();
    else send();
  });
}

async function main() {
  let answer = await ask('GET', '/chunks');
  assert.deepStrictEqual([answer.status, answer.body], [200, 'one two three']);
  assert.deepStrictEqual({ ...answer.trailers }, { 'x-chunks': '3' });
  answer = await ask('HEAD', '/chunks');
  assert.deepStrictEqual([answer.status, answer.body], [200, '']);
  answer = await ask('POST', '/echo', { body: ['hel', 'lo'], headers: { 'Content-Type': 'a/b' } });
  assert.match(answer.body, /^POST \/echo\n[^]*transfer-encoding: chunked\n[^]*5 bytes\nhello$/);
  answer = await ask('PUT', '/upload', { body: ['x'.repeat(100000)] });
  assert.strictEqual(answer.body, '100000 bytes, sum 12000000, trailer none\n');
  answer = await ask('POST', '/echo', {
    body: ['hello'], headers: { Expect: '100-continue', 'Content-Length': 5 }, expect: true,
  });
  assert.deepStrictEqual([answer.continued, answer.body.slice(-5)], [true, 'hello']);
  answer = await ask('GET', '/bytes?count=1000000');
  assert.strictEqual(answer.body.length, 1000000);
  answer = await ask('OPTIONS', '/status?code=204');
  assert.deepStrictEqual([answer.status, answer.body], [204, '']);
  answer = await ask('GET', '/cookies', { headers: { Cookie: 'a=b' } });
  assert.deepStrictEqual([answer.headers['set-cookie'].length, answer.body], [2, 'a=b\n']);
  assert.strictEqual(sockets.size, 1, 'all on one connection');

  await assert.rejects(ask('GET', '/cut'), { code: 'ECONNRESET' });
  // Side by side.
  const many = await Promise.all(Array.from({ length: 20 }, (_, n) =>
    new Promise((resolve, reject) => {
      http.get(`${base}/later?ms=${n * 5}`, { agent: false }, (response) => {
        let body = '';
        response.on('data', (piece) => { body += piece; });
        response.on('end', () => resolve(body));
      }).on('error', reject);
    })));
  assert.deepStrictEqual(many, Array.from({ length: 20 }, (_, n) => `/later?ms=${n * 5}`));
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
}).finally(() => agent.destroy());
