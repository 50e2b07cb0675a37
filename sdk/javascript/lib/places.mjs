// The places of a bundle's lines in the author's files, small enough to go into the component.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of one segment of a source map. */
function numbersOf(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}

/**
 * For each line of the bundle the file and line of its first segment, as differences from the one before: `lines` of a
 * `down,across` or of nothing, between semicolons. Files of the SDK, which are below `sdk`, have no lines.
 */
export function placesOf({ mappings, sources }, sdk) {
  const internal = sources.map((path) => path === 'sandloop-entry.js' || isBelow(path, sdk));
  let source = 0;
  let line = 0;
  const last = { file: 0, line: 0 };
  const lines = mappings.split(';').map((row) => {
    let first;
    for (const segment of row === '' ? [] : row.split(',')) {
      const [, across, down] = numbersOf(segment);
      if (across === undefined) continue;
      source += across;
      line += down;
      first ??= { file: source, line: line + 1 };
    }
    if (!first || internal[first.file]) return '';
    const entry = `${first.line - last.line}${first.file === last.file ? '' : `,${first.file - last.file}`}`;
    Object.assign(last, first);
    return entry;
  });
  return { files: sources, lines: lines.join(';') };
}

/** esbuild names sources by paths from the folder that it runs in. */
function isBelow(path, folder) {
  return new URL(path, `file://${process.cwd()}/`).pathname.startsWith(`${folder}/`);
}
