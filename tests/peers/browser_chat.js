// Two pages of the plugin ws-chat in a headless Chromium: browser_chat.js http://HOST:PORT/ PROFILE prints ok.
'use strict';

const assert = require('node:assert');
const { open, control, page, until, close } = require('./browser.js');

const [url, profile] = process.argv.slice(2);

const connected = until(`document.getElementById('state').textContent === 'connected'`);
const heard = (text) => until(`[...document.querySelectorAll('#messages li')].some((item) => item.textContent === ${JSON.stringify(text)})`);
const say = (name, text) => `
  document.getElementById('name').value = ${JSON.stringify(name)};
  document.getElementById('text').value = ${JSON.stringify(text)};
  document.querySelector('#form button').click();`;

async function main() {
  const browser = await open(profile);
  try {
    const browsing = control(browser.socket);
    const ann = await page(browsing, url);
    const ben = await page(browsing, url);
    const other = await page(browsing, `${url}?room=other`);
    await Promise.all([ann(connected), ben(connected), other(connected)]);
    await ann(say('Ann', 'hello <b>Ben</b>'));
    await Promise.all([ann(heard('Ann: hello <b>Ben</b>')), ben(heard('Ann: hello <b>Ben</b>'))]);
    await ben(say('Ben', 'hällo'));
    await Promise.all([ann(heard('Ben: hällo')), ben(heard('Ben: hällo'))]);
    // What is said is no markup, and another room is another room.
    assert.strictEqual(await ben(`document.querySelectorAll('#messages b').length`), 0);
    await other(say('Cleo', 'anybody?'));
    await other(heard('Cleo: anybody?'));
    assert.strictEqual(await other(`document.querySelectorAll('#messages li').length`), 1);
    console.log('ok');
  } finally {
    await close(browser);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
