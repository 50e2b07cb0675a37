// The console: its levels are those of the host's log.
import * as host from './host.js';
import { isLive } from './calls.js';
import { frames, show } from './errors.js';

function format(values) {
  if (typeof values[0] !== 'string' || !values[0].includes('%')) return values.map(show).join(' ');
  const rest = values.slice(1);
  const first = values[0].replace(/%[sdifoOj%]/g, (mark) => {
    if (mark === '%%') return '%';
    if (rest.length === 0) return mark;
    const value = rest.shift();
    return mark === '%d' ? String(Number(value)) : mark === '%i' ? String(Math.trunc(Number(value))) : show(value);
  });
  return [first, ...rest.map(show)].join(' ');
}

const built = globalThis.console;

const at =
  (level) =>
  (...values) => {
    // Where the plugin is built there is no log; Node.js, which tries it first, has a console of its own.
    if (isLive()) host.log.log(level, format(values));
    else built?.[level === 'trace' ? 'debug' : level]?.(...values);
  };

const counts = new Map();
const times = new Map();

export const console = {
  log: at('info'),
  info: at('info'),
  debug: at('debug'),
  warn: at('warn'),
  error: at('error'),
  trace: (...values) => at('trace')(...values, `at ${frames(new Error('here').stack).join(' < ')}`),
  dir: at('info'),
  table: at('info'),
  assert(holds, ...values) {
    if (!holds) at('error')('assertion failed:', ...values);
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    at('info')(`${label}: ${counts.get(label)}`);
  },
  time(label = 'default') {
    times.set(label, Date.now());
  },
  timeEnd(label = 'default') {
    at('info')(`${label}: ${Date.now() - (times.get(label) ?? Date.now())} ms`);
  },
};
