import { register } from 'node:module';

register('./hooks.mjs', import.meta.url);

/** What the host does, by interface. */
export const fakes = {};

/** What was logged: `[level, message]`. */
export const logged = [];
fakes.log = { log: (level, message) => logged.push([level, message]) };

/** A refusal as componentize-qjs throws it. */
export const refusal = (code) => Object.assign(new Error(code), { payload: code });

/** A socket that keeps what is sent. */
export function fakeSocket() {
  const sent = [];
  const socket = {
    sent,
    text: () => Buffer.concat(sent).toString(),
    sendData: (data) => sent.push(Buffer.from(data)),
    closeConnection: () => sent.push(Buffer.from('<close>')),
    closeConnectionAfterWriting: () => sent.push(Buffer.from('<end>')),
    halfClose: () => sent.push(Buffer.from('<half>')),
    setCommInactivityTimeout() {},
    pause() {
      socket.paused = true;
      sent.push(Buffer.from('<pause>'));
    },
    isPaused: () => Boolean(socket.paused),
    resume() {
      socket.paused = false;
      sent.push(Buffer.from('<resume>'));
    },
    id: () => 7,
  };
  return socket;
}

/** An accepted connection of a plugin, as the host makes one. */
export function accept(exported, handler = '', options = []) {
  const socket = fakeSocket();
  const held = new exported.handler.Connection(socket, { tag: 'accepted', val: { listener: 'tcp://127.0.0.1:1', handler, options } });
  held.postInit();
  return { held, socket };
}
