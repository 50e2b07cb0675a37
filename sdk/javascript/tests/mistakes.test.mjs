// The mistakes of a new author, against the real compilers and the real host: each gives one message with cause, place and remedy.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { connect as secured } from 'node:tls';

const { SANDLOOP_BIN: sandloop, SANDLOOP_PROJECT: project } = process.env;
const skip = sandloop && project ? false : 'cargo xtask languages says where the host and the compilers are';

const folder = skip ? undefined : mkdtempSync(join(project, 'mistakes-'));
process.on('exit', () => folder && rmSync(folder, { recursive: true, force: true }));

/** Builds a module; what the build said. */
function build(name, source) {
  writeFileSync(join(folder, name), source);
  const built = spawnSync(process.execPath, [join(project, 'node_modules/.bin/sandloop-build'), '-o', 'plugin.wasm', name], { cwd: folder, encoding: 'utf8' });
  return { status: built.status, said: built.stdout + built.stderr };
}

const ECHO = "import { Connection, plugin } from 'sandloop';\nclass Echo extends Connection {}\n";

test('mistakes that the build tells', { skip }, async (t) => {
  const table = [
    ['no plugin', `${ECHO}`, /^error: no-plugin\.js: there is no plugin: end the module with "export default plugin\(\{ Echo \}\);"/],
    ['another export', `${ECHO}export const handler = { Echo };`, /there is no plugin/],
    ['not a class', `${ECHO}export default plugin({ echo: (data) => data });`, /^error: not-a-class\.js:3: TypeError: plugin\(\{ echo \}\): echo is function: it has to be a class that extends Connection/],
    ['a slip in a name', `${ECHO}class A extends Connection {\n  recieveData() {}\n}\nexport default plugin({ A });`, /^error: a-slip-in-a-name\.js:6: TypeError: class A: the host never calls recieveData: the callback is called receiveData/],
    ['a timer too early', `${ECHO}setTimeout(() => {}, 5);\nexport default plugin({ Echo });`, /^error: a-timer-too-early\.js:3: Error: setTimeout: the top level of a module runs once, when the plugin is built.*move this into start\(\)/],
    ['the host too early', `${ECHO}import { options } from 'sandloop';\noptions.get('x');\nexport default plugin({ Echo });`, /^error: the-host-too-early\.js:4: Error: options\.get: the top level.*move this into/],
    ['an unknown name', "import { Conection } from 'sandloop';\nexport default Conection;", /^error: an-unknown-name\.js:1: No matching export in ".*sandloop\.js" for import "Conection"/],
    ['bad syntax', 'class {', /^error: bad-syntax\.js:1: Expected/],
    ['an unknown word', `${ECHO}export default plugin({ Echo }, { begin() {} });`, /the second argument takes prepare, start, stopping, stopped, operations and processes/],
  ];
  for (const [name, source, words] of table) {
    await t.test(name, () => {
      const { status, said } = build(`${name.replaceAll(' ', '-')}.js`, source);
      assert.equal(status, 1);
      assert.match(said, words);
      assert.equal(said.trimEnd().split('\n').length, 1, said);
    });
  }
});

const HANDLERS = `import { Connection, plugin, text } from 'sandloop';
class Throws extends Connection {
  receiveData(data: Uint8Array): void {
    (data as any).nothing.more();
  }
}
class Wrong extends Connection {
  receiveData() {
    this.sendData(5 as any);
  }
}
class Rejects extends Connection {
  async receiveData() {
    await null;
    throw new RangeError('later');
  }
}
class Native extends Connection {
  receiveData() {
    return new Function('return (async () => 1)()')();
  }
}
class Lines extends Connection {
  async serve() {
    for await (const line of this.lines()) this.sendData(line + '!\\n');
  }
}
class Late extends Connection {
  receiveData() {
    this.sendData('x');
    this.closeConnection();
  }
  unbind() {
    setTimeout(() => this.sendData('late'), 1);
  }
}
class Missing extends Connection {}
/** STARTTLS: a word in plain, then TLS. */
class StartTls extends Connection {
  receiveData(data: Uint8Array) {
    if (text(data) === 'STARTTLS\\r\\n') {
      this.sendData('220 go ahead\\r\\n');
      this.startTls({ profile: 'main' });
    } else {
      this.sendData(text(data).toUpperCase());
    }
  }
  tlsCompleted() {
    this.sendData('250 ' + this.tlsSession?.version + '\\r\\n');
  }
}
export default plugin({ Throws, Wrong, Rejects, Native, Lines, Late, Missing, StartTls });
`;

const RUN = [
  ['throws', /ERROR Throws\.receiveData threw TypeError: cannot read property 'more' of undefined at receiveData \(handlers\.ts:4\)/],
  ['wrong', /ERROR Wrong\.receiveData threw TypeError: sendData takes a string or a Uint8Array, not number: String\(it\) makes text of it at receiveData \(handlers\.ts:9\)/],
  ['rejects', /ERROR Rejects\.receiveData threw RangeError: later at handlers\.ts:15/],
  ['native', /ERROR Native\.receiveData threw TypeError: this is a promise of the engine itself.*sandloop-build/],
  ['late', /WARN sendData on a connection that has ended \(closed\) sends nothing at .*handlers\.ts:34.*end in unbind\(\)/],
];

/** Serves a configuration; `use` gets the ports in the order of the listeners. */
async function serve(handlers, use, more = '') {
  const listeners = handlers.map((handler) => `[[listen]]\naddress = "tcp://127.0.0.1:0"\nplugin = "p"\nhandler = "${handler}"\n`);
  writeFileSync(join(folder, 'plugins.toml'), `[plugins.p]\ncomponent = "plugin.wasm"\nisolation = "plugin"\n${more}${listeners.join('')}`);
  const host = spawn(sandloop, ['run', join(folder, 'plugins.toml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const waiting = new Set();
  host.stderr.setEncoding('utf8').on('data', (data) => {
    log += data;
    for (const check of waiting) check();
  });
  const deadline = setTimeout(() => host.kill('SIGKILL'), 120_000);
  const ended = new Promise((resolve) => host.on('exit', (code) => resolve((log += `\nexit ${code}`))));
  const until = (words) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const found = words.exec(log);
        if (!found) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      ended.then(() => reject(new Error(log)));
      check();
    });
  try {
    await until(/ ready /);
    const ports = [...log.matchAll(/serving address="tcp:\/\/127\.0\.0\.1:(\d+)"/g)].map((found) => Number(found[1]));
    await use(ports, until);
  } finally {
    host.kill('SIGTERM');
    await ended;
    clearTimeout(deadline);
  }
}

const send = (port, text) =>
  new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(text));
    socket.setEncoding('utf8').on('data', (data) => (answer += data)).on('close', () => resolve(answer)).on('error', () => {});
  });

/** Speaks STARTTLS to a server, with Node's own TLS. */
async function startTls(port) {
  const plain = connect(port, '127.0.0.1', () => plain.write('STARTTLS\r\n'));
  const [answer] = await once(plain, 'data');
  assert.equal(answer.toString(), '220 go ahead\r\n');
  const secure = secured({ socket: plain, servername: 'localhost', ca: readFileSync(join(folder, 'certificate.pem')) });
  assert.equal((await once(secure, 'data')).toString(), '250 tls13\r\n');
  secure.write('hello\n');
  assert.equal((await once(secure, 'data')).toString(), 'HELLO\n');
  secure.end();
}

test('mistakes that the log tells, promises that work, and STARTTLS', { skip, timeout: 300_000 }, async () => {
  assert.deepEqual(build('handlers.ts', HANDLERS), { status: 0, said: '' });
  const known = RUN.map(([name]) => name);
  const key = 'req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out certificate.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost';
  assert.equal(spawnSync('openssl', key.split(' '), { cwd: folder }).status, 0);
  const profile = '[plugins.p.tls.main]\ncertificate = "certificate.pem"\nkey = "key.pem"\n';
  await serve([...known, 'starttls', 'lines'], async (ports, until) => {
    await startTls(ports.at(-2));
    for (const [index, name] of known.entries()) {
      await send(ports[index], 'x');
      await until(RUN.find(([other]) => other === name)[1]);
    }
    assert.equal(await send(ports.at(-1), 'one\ntwo\n'), 'one!\ntwo!\n');
  }, profile);
});

test('a listener with a handler that is not there stops the start', { skip }, async () => {
  await assert.rejects(
    serve(['other'], async () => {}),
    (error) => /other/.test(error.message) && /throws/.test(error.message) && /exit [1-9]/.test(error.message),
  );
});
