#!/usr/bin/env node
// sandloop-build: from an author's module, in JavaScript or TypeScript, to a component.
//
//   sandloop-build [-o build/plugin.wasm] [src/app.js]
//
// esbuild makes one module of all, without types and without `async` (why: lib/promise.js); Node.js tries it, so that what is
// wrong at its top level is said with its place; componentize-qjs makes the component.
import { build } from 'esbuild';
import { componentize } from 'componentize-qjs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { placesOf } from './lib/places.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const ENTRIES = ['src/app.ts', 'src/app.js', 'src/app.mjs', 'app.ts', 'app.js'];
const EXPORTS = [
  'handler', 'timersHandler', 'ticksHandler', 'operations', 'deferredHandler', 'mailbox', 'processesHandler', 'subscriptions',
  'queuesHandler', 'proxyHandler', 'filesHandler', 'watchHandler', 'catalog', 'tlsHandler', 'drainHandler',
];

/** What is wrong with the author's files: shown without the stack of this program. */
class Mistake extends Error {}

const shown = (path) => relative(process.cwd(), path) || path;

/** The module that the component is made of. */
const entryOf = (path) => `
import { exportsOf, isPlugin } from 'sandloop';
import * as app from ${JSON.stringify(path)};
const made = app['default'];
if (!isPlugin(made)) throw new Error('no plugin');
export const { ${EXPORTS.join(', ')}, lifecycle, handoverHandler } = exportsOf(made);
export { made };
`;

/** `sandloop` is this folder, wherever the author's project has it. */
const sandloop = {
  name: 'sandloop',
  setup(build) {
    build.onResolve({ filter: /^sandloop$/ }, () => ({ path: join(here, 'sandloop.js') }));
  },
};

/** In the place of the host, where Node.js tries the module. */
const noHost = {
  name: 'no host',
  setup(build) {
    build.onResolve({ filter: /^(sandloop:|wasi:)/ }, ({ path }) => ({ path, namespace: 'host' }));
    build.onLoad({ filter: /.*/, namespace: 'host' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => name === '__esModule' || (() => {
        throw new Error(${JSON.stringify(path)} + ': ' + String(name) + ': the top level of a module runs when the plugin is built, and there is no host then: call it in start(), postInit() or another callback');
      }) })`,
    }));
  },
};

async function bundle(entry, options) {
  const { outputFiles } = await build({
    stdin: { contents: entryOf(entry), resolveDir: process.cwd(), sourcefile: 'sandloop-entry.js' },
    bundle: true,
    format: 'esm',
    target: 'es2023',
    charset: 'utf8',
    legalComments: 'none',
    outfile: 'plugin.js',
    write: false,
    logLevel: 'silent',
    ...options,
  });
  const text = (end) => outputFiles.find(({ path }) => end.test(path))?.text;
  return { code: text(/\.m?js$/), map: text(/\.map$/) };
}

/** What Node.js has and a component has too, but not while it is built. */
const LATER = ['setTimeout', 'setInterval', 'setImmediate'];

/** Loads the module in Node.js, bundled as `code`: whether it is a plugin, and whether it is a program. */
async function tryOut(entry, path, code) {
  await writeFile(path, code);
  process.setSourceMapsEnabled(true);
  const own = LATER.map((name) => [name, globalThis[name]]);
  for (const name of LATER) {
    globalThis[name] = () => {
      throw new Error(`${name}: the top level of a module runs once, when the plugin is built, and there is no host then: move this into start(), postInit() or another callback`);
    };
  }
  try {
    const { made } = await import(pathToFileURL(path));
    return { program: made.program };
  } catch (error) {
    if (error.message === 'no plugin') {
      throw new Mistake(`${shown(entry)}: there is no plugin: end the module with "export default plugin({ Echo });", with your class's name`);
    }
    throw new Mistake(`${placeOf(error) ?? shown(entry)}: ${error.name}: ${error.message}`);
  } finally {
    for (const [name, value] of own) globalThis[name] = value;
  }
}

/** The first frame of an error that is not the SDK's or Node's. */
function placeOf(error) {
  for (const [, path, line] of String(error.stack).matchAll(/(?:file:\/\/|[\s(])(\/[^\s():]+):(\d+):\d+/g)) {
    if (!path.startsWith(`${here}/`) && !path.endsWith('/trial.mjs')) return `${shown(path)}:${line}`;
  }
  return undefined;
}

/** The contract's folder as componentize-qjs takes it, with one world for this plugin. */
async function worldIn(folder, program) {
  const contract = [join(here, 'wit'), join(here, '../../wit')].find((path) => existsSync(join(path, 'world.wit')));
  const deps = join(folder, 'wit/deps');
  await mkdir(join(deps, 'random'), { recursive: true });
  await cp(contract, join(deps, 'sandloop'), { recursive: true, filter: (path) => !path.endsWith('.md') });
  const version = /package sandloop:plugin@([\d.]+)/.exec(await readFile(join(deps, 'sandloop/world.wit'), 'utf8'))[1];
  await writeFile(join(deps, 'random/random.wit'), 'package wasi:random@0.2.0;\ninterface random { get-random-bytes: func(len: u64) -> list<u8>; }\n');
  const world = program ? 'plugin' : 'connections';
  await writeFile(
    join(folder, 'wit/world.wit'),
    `package sandloop:javascript;\nworld author { include sandloop:plugin/${world}@${version}; import wasi:random/random@0.2.0; }\n`,
  );
  return join(folder, 'wit');
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { output: { type: 'string', short: 'o', default: 'build/plugin.wasm' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help) return console.log('sandloop-build [-o build/plugin.wasm] [src/app.js]');
  const entry = positionals[0] ?? ENTRIES.find((path) => existsSync(path));
  if (!entry || !existsSync(entry)) throw new Mistake(`there is no ${entry ?? ENTRIES.join(', ')} in ${process.cwd()}: name the module of the plugin: sandloop-build src/app.js`);
  const folder = await mkdtemp(join(realpathSync(tmpdir()), 'sandloop-'));
  try {
    const path = resolve(entry);
    const trial = join(folder, 'trial.mjs');
    const lowered = { 'async-await': false, 'async-generator': false, 'for-await': false };
    // Both are over before the trial, which takes the timers from everybody in this process.
    const [tried, { code, map }] = await Promise.all([
      bundle(path, { plugins: [sandloop, noHost], sourcemap: 'inline', platform: 'node', outfile: trial }),
      bundle(path, { plugins: [sandloop], sourcemap: 'external', supported: lowered, external: ['sandloop:*', 'wasi:*'] }),
    ]);
    const { program } = await tryOut(path, trial, tried.code);
    const places = placesOf(JSON.parse(map), here);
    const jsSource = `${code}\nglobalThis.__sandloopPlaces = ${JSON.stringify(places)};\n`;
    if (process.env.SANDLOOP_BUNDLE) await writeFile(process.env.SANDLOOP_BUNDLE, jsSource);
    const witPath = await worldIn(folder, program);
    // The small engine is compiled sooner, and runs more slowly: for `sandloop dev`.
    const optSize = Boolean(process.env.SANDLOOP_DEV);
    const { component } = await componentize({ witPath, jsSource, world: 'author', sync: true, optSize });
    await mkdir(dirname(resolve(values.output)), { recursive: true });
    await writeFile(values.output, component);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  // What esbuild finds has its own places.
  for (const { text, location } of error.errors ?? []) {
    console.error(`error: ${location ? `${location.file}:${location.line}: ` : ''}${text}`);
  }
  if (!error.errors) console.error(error instanceof Mistake ? `error: ${error.message}` : error);
  process.exitCode = 1;
}
