// Node's http, as its documentation has it.
'use strict';

require('node:http').createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/html' });
  response.end('<center><h1>Wham-o</h1></center>');
}).listen(Number(process.argv[1]), '127.0.0.1');
