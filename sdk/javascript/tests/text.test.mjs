import './fakes.mjs';
import assert from 'node:assert/strict';
import test from 'node:test';

const sdk = await import('../lib/text.js');

const TEXTS = ['', 'hello', 'äöü€😀', '\ud800 alone', 'a\udc00b', '\0', 'x'.repeat(20000), '€'.repeat(9000), '\ufeffmark'];

test('text becomes the bytes that Node makes of it', () => {
  for (const text of TEXTS) {
    assert.deepEqual(Buffer.from(sdk.encode(text)), Buffer.from(new TextEncoder().encode(text)));
    assert.equal(sdk.text(sdk.encode(text)), Buffer.from(text).toString());
  }
});

/** Bytes that look like UTF-8 and mostly are not. */
function* samples() {
  let seed = 1;
  const next = (below) => (seed = (seed * 48271) % 2147483647) % below;
  const parts = [[0x41], [0xc3, 0xa4], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5], [0x80], [0xe2, 0x82], [0xf0, 0x9f]];
  for (let round = 0; round < 400; round += 1) {
    const bytes = [];
    for (let part = next(6); part >= 0; part -= 1) bytes.push(...parts[next(parts.length)]);
    yield Uint8Array.from(bytes);
  }
}

test('bytes that are no UTF-8 become what the Encoding standard says, or an error', () => {
  for (const bytes of samples()) {
    assert.equal(new sdk.TextDecoder().decode(bytes), new TextDecoder().decode(bytes), `${bytes}`);
    const answer = (Decoder) => {
      try {
        return new Decoder('utf-8', { fatal: true }).decode(bytes);
      } catch (error) {
        return error.name;
      }
    };
    assert.equal(answer(sdk.TextDecoder), answer(TextDecoder), `${bytes}`);
  }
});

test('a stream may be cut anywhere', () => {
  for (const bytes of samples()) {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const ours = new sdk.TextDecoder();
      const theirs = new TextDecoder();
      const both = [ours, theirs].map(
        (decoder) => decoder.decode(bytes.subarray(0, cut), { stream: true }) + decoder.decode(bytes.subarray(cut), { stream: true }) + decoder.decode(),
      );
      assert.equal(both[0], both[1], `${bytes} cut at ${cut}`);
    }
  }
});

test('marks, other encodings, encodeInto', () => {
  assert.equal(new sdk.TextDecoder('utf-8', { ignoreBOM: true }).decode(sdk.encode('\ufeffa')), '\ufeffa');
  assert.throws(() => new sdk.TextDecoder('latin1'), /utf-8 is the only one/);
  assert.deepEqual(new sdk.TextEncoder().encodeInto('a€', new Uint8Array(3)), { read: 1, written: 1 });
});

test('what is neither text nor bytes is told with a remedy', () => {
  for (const [value, words] of [[5, /not number: String\(it\)/], [{ a: 1 }, /not Object: JSON.stringify/], [null, /not null/], [['a'], /not Array/]]) {
    assert.throws(() => sdk.bytesOf(value, 'sendData'), words);
  }
  assert.deepEqual(sdk.bytesOf(new Uint16Array([258]), 'sendData'), new Uint8Array([2, 1]));
});
