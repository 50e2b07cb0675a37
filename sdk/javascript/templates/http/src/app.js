import { HttpServer, plugin } from 'sandloop';

class Hello extends HttpServer {
  processHttpRequest(request, response) {
    response.contentType('text/plain');
    if (request.path === '/') {
      response.content = 'hello\n';
    } else if (request.path === '/echo') {
      response.content = request.content;
    } else {
      response.status = 404;
      response.content = 'not found\n';
    }
    response.sendResponse();
  }
}

export default plugin({ Hello });
