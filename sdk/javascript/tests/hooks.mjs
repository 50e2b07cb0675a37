// Puts a host of the tests in the place of the real one: `sandloop:plugin/timers` becomes `fake-host.mjs?timers`.
export async function resolve(specifier, context, next) {
  const [, name] = /^(?:sandloop:plugin|wasi:random)\/([a-z-]+)$/.exec(specifier) ?? [];
  if (!name) return next(specifier, context);
  return { url: new URL(`fake-host.mjs?${name}`, import.meta.url).href, shortCircuit: true };
}
