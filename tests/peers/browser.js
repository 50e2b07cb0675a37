// A headless Chromium for the pages of tests, driven by its own protocol (CDP).
'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');
const WebSocket = require('ws');

// The browser, and what its own protocol (CDP) can be asked.
async function open(profile) {
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
  const said = [];
  socket.on('message', (text) => {
    const { id, result, error, method, params, sessionId } = JSON.parse(text);
    // What the browser itself finds wrong with a page, such as what its policy forbids.
    if (method === 'Log.entryAdded') said.push(params.entry.text);
    if (method === 'Runtime.exceptionThrown') said.push(params.exceptionDetails.exception.description);
    if (method === 'Page.javascriptDialogOpening') call('Page.handleJavaScriptDialog', { accept: true }, sessionId);
    if (method === 'Page.loadEventFired') loading.get(sessionId)();
    const caller = waiting.get(id);
    if (caller) {
      waiting.delete(id);
      if (error) caller.reject(new Error(error.message));
      else caller.resolve(result);
    }
  });
  const call = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    socket.send(JSON.stringify({ id: last, method, params, sessionId }));
  });
  const loaded = (sessionId) => new Promise((resolve) => loading.set(sessionId, resolve));
  return { call, loaded, said };
}

async function page({ call, loaded }, url) {
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const whole = loaded(sessionId);
  for (const domain of ['Page', 'Log', 'Runtime']) await call(`${domain}.enable`, {}, sessionId);
  await call('Page.navigate', { url }, sessionId);
  await whole;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } =
      await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  };
  evaluate.call = (method, params) => call(method, params, sessionId);
  return evaluate;
}

// Waits in the page until something is so: it is told of every change.
const until = (condition) => `new Promise((resolve) => {
  const look = () => (${condition}) && resolve(true);
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
  look();
})`;

// Ends all of it: what was started is a script, and the browser is many processes.
async function close({ browser, socket }) {
  process.kill(-browser.pid);
  await once(browser, 'exit');
  socket.terminate();
}

module.exports = { open, control, page, until, close };
