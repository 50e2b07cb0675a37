import assert from 'node:assert/strict';
import test from 'node:test';
import { placesOf } from '../lib/places.mjs';

test('each line of the bundle has the file and line that it comes from, but those of the SDK', () => {
  // Line 1 and 2 from b.js:3 and b.js:4, line 3 from the SDK, line 4 from nowhere, line 5 from a.js:1.
  const map = { sources: ['a.js', 'b.js', '../sdk/lib/x.js'], mappings: 'ACEA;AACA;ACHA;;AFAA' };
  const places = placesOf(map, new URL('../sdk', `file://${process.cwd()}/`).pathname);
  assert.deepEqual(places.files, map.sources);
  assert.equal(places.lines, '3,1;1;;;-3,-1');
});
