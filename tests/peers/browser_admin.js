// The live page in a headless Chromium: browser_admin.js http://HOST:PORT/ TOKEN PROFILE [SCREENSHOT.png] prints ok.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { open, control, page, until, close } = require('./browser.js');

const [url, token, profile, screenshot] = process.argv.slice(2);

const text = (selector) => `(document.querySelector(${JSON.stringify(selector)})?.textContent ?? '')`;
const click = (words) => `
  [...document.querySelectorAll('[data-plugin=echo] button')].find((it) => it.textContent === ${JSON.stringify(words)}).click()`;
const says = (words) => until(`${text('#says')}.includes(${JSON.stringify(words)})`);

async function main() {
  const browser = await open(profile);
  try {
    const browsing = control(browser.socket);
    const shown = await page(browsing, url);
    await shown.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 1, mobile: true });
    await shown(until(`${text('[data-plugin=echo]')}.includes('latency, p99')`));
    await shown(until(`${text('#traps')}.includes('trap: ') && ${text('#denials')}.includes('allow]')`));
    // A guest's words are words, and its frames are shown.
    assert.match(await shown(text('#denials')), /<img.src=x.onerror=/);
    assert.match(await shown(text('#denials')), /add `connect = /);
    assert.match(await shown(text('#traps pre')), /hostile_trap/);
    assert.strictEqual(await shown(`document.querySelectorAll('main img, #denials img, #traps img, [onerror]').length`), 0);
    // It fits a phone, and asks nobody else.
    assert.ok(await shown('document.documentElement.scrollWidth <= 360'), 'wider than a phone');
    const asked = await shown(`performance.getEntriesByType('resource').map((it) => new URL(it.name).host)`);
    assert.ok(0 < asked.length && asked.every((host) => host === new URL(url).host), `${asked}`);
    // Its policy forbids nothing that it does, and no exception was thrown.
    assert.deepStrictEqual(browsing.said, []);
    // And it forbids what is not its own.
    await shown(`{ const added = document.createElement('script'); added.textContent = 'window.taken = true'; document.body.append(added); }`);
    assert.strictEqual(await shown('window.taken ?? null'), null);
    assert.ok(browsing.said.some((it) => it.includes('Content Security Policy')), `${browsing.said}`);
    // Who has no token changes nothing.
    await shown(click('Park'));
    await shown(says('wrong-token'));
    await shown(`document.getElementById('token').value = ${JSON.stringify(token)}`);
    await shown(click('Park'));
    await shown(says('Park echo: parked'));
    await shown(until(`${text('[data-plugin=echo]')}.includes('parked')`));
    if (screenshot) {
      const { data } = await shown.call('Page.captureScreenshot', { captureBeyondViewport: true });
      fs.writeFileSync(screenshot, Buffer.from(data, 'base64'));
    }
    await shown(click('Resume'));
    await shown(says('Resume echo: resumed'));
    console.log('ok');
  } finally {
    await close(browser);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
