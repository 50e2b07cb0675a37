// The cluster on the live page, in a headless Chromium: browser_cluster.js http://HOST:PORT/ PROFILE WORDS… prints ok when all are there.
'use strict';

const assert = require('node:assert');
const { open, control, page, until, close } = require('./browser.js');

const [url, profile, ...words] = process.argv.slice(2);

const text = `document.querySelector('#cluster').textContent`;

async function main() {
  const browser = await open(profile);
  try {
    const browsing = control(browser.socket);
    const shown = await page(browsing, url);
    await shown.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 1, mobile: true });
    for (const word of words) await shown(until(`${text}.includes(${JSON.stringify(word)})`));
    assert.ok(await shown(`0 < document.querySelector('#clustered').offsetHeight`), 'it is hidden');
    assert.ok(await shown('document.documentElement.scrollWidth <= 360'), 'wider than a phone');
    assert.deepStrictEqual(browsing.said, []);
    console.log('ok');
  } finally {
    await close(browser);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
