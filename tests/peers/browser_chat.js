// Two pages of the plugin ws-chat in a headless Chromium: browser_chat.js http://HOST:PORT/ PROFILE prints ok.
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');
const WebSocket = require('ws');

const [url, profile] = process.argv.slice(2);

// The browser, and what its own protocol (CDP) can be asked.
async function open() {
  const browser = spawn('chromium-headless-shell', [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-port=0',
    `--user-data-dir=${profile}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  for await (const line of readline.createInterface({ input: browser.stderr })) {
    const found = line.match(/^DevTools listening on (ws:.*)$/);
    if (found) {
      const socket = new WebSocket(found[1]);
      await once(socket, 'open');
      return { browser, socket };
    }
  }
  throw new Error('the browser does not start');
}

function control(socket) {
  let last = 0;
  const waiting = new Map();
  const loading = new Map();
  socket.on('message', (text) => {
    const { id, result, error, method, sessionId } = JSON.parse(text);
    if (method === 'Page.loadEventFired') loading.get(sessionId)();
    const call = waiting.get(id);
    if (call) {
      waiting.delete(id);
      if (error) call.reject(new Error(error.message));
      else call.resolve(result);
    }
  });
  const call = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    socket.send(JSON.stringify({ id: last, method, params, sessionId }));
  });
  const loaded = (sessionId) => new Promise((resolve) => loading.set(sessionId, resolve));
  return { call, loaded };
}

async function page({ call, loaded }, url) {
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const whole = loaded(sessionId);
  await call('Page.enable', {}, sessionId);
  await call('Page.navigate', { url }, sessionId);
  await whole;
  return async (expression) => {
    const { result, exceptionDetails } =
      await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  };
}

// Waits in the page until something is so: it is told of every change.
const until = (condition) => `new Promise((resolve) => {
  const look = () => (${condition}) && resolve(true);
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
  look();
})`;
const connected = until(`document.getElementById('state').textContent === 'connected'`);
const heard = (text) => until(`[...document.querySelectorAll('#messages li')].some((item) => item.textContent === ${JSON.stringify(text)})`);
const say = (name, text) => `
  document.getElementById('name').value = ${JSON.stringify(name)};
  document.getElementById('text').value = ${JSON.stringify(text)};
  document.querySelector('#form button').click();`;

async function main() {
  const { browser, socket } = await open();
  try {
    const browsing = control(socket);
    const ann = await page(browsing, url);
    const ben = await page(browsing, url);
    const other = await page(browsing, `${url}?room=other`);
    await Promise.all([ann(connected), ben(connected), other(connected)]);
    await ann(say('Ann', 'hello <b>Ben</b>'));
    await Promise.all([ann(heard('Ann: hello <b>Ben</b>')), ben(heard('Ann: hello <b>Ben</b>'))]);
    await ben(say('Ben', 'hällo'));
    await Promise.all([ann(heard('Ben: hällo')), ben(heard('Ben: hällo'))]);
    // What is said is no markup, and another room is another room.
    assert.strictEqual(await ben(`document.querySelectorAll('#messages b').length`), 0);
    await other(say('Cleo', 'anybody?'));
    await other(heard('Cleo: anybody?'));
    assert.strictEqual(await other(`document.querySelectorAll('#messages li').length`), 1);
    console.log('ok');
  } finally {
    // All of it: what was started is a script, and the browser is many processes.
    process.kill(-browser.pid);
    await once(browser, 'exit');
    socket.terminate();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
