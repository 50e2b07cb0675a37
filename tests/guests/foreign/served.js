// A component of wasi:http in JavaScript, as jco makes it for any host: it answers what it is asked, and asks others.
addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

let requests = 0;

function answer(status, text) {
  return new Response(text, { status, headers: { 'content-type': 'text/plain' } });
}

async function handle(request) {
  requests += 1;
  const url = new URL(request.url);
  if (url.pathname === '/count') return answer(200, `${requests}\n`);
  if (url.pathname === '/ask') {
    try {
      const response = await fetch(`http://${url.search.slice(1)}/page.txt`);
      return answer(200, `${response.status} ${await response.text()}`);
    } catch (error) {
      return answer(502, `${error}\n`);
    }
  }
  return answer(201, `${request.method.toLowerCase()} ${url.pathname} ${await request.text()}\n`);
}
