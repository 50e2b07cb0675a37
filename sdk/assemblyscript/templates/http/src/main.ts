// Says hello, and sends back what is posted to /echo.
import { HttpRequest, HttpResponse, HttpServer, plugin } from "sandloop";

class Hello extends HttpServer {
  processHttpRequest(request: HttpRequest, response: HttpResponse): void {
    response.contentType("text/plain");
    if (request.path == "/") {
      response.contentText("hello\n");
    } else if (request.path == "/echo") {
      response.content = request.content;
    } else {
      response.status = 404;
      response.contentText("not found\n");
    }
    response.sendResponse();
  }
}

plugin().handler("hello", () => new Hello());
