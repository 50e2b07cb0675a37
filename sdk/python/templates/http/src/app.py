from sandloop import HttpRequest, HttpResponse, HttpServer


class Hello(HttpServer):
    def process_http_request(self, request: HttpRequest, response: HttpResponse) -> None:
        response.content_type("text/plain")
        if request.path == "/":
            response.content = "hello\n"
        elif request.path == "/echo":
            response.content = request.content
        else:
            response.status = 404
            response.content = "not found\n"
        response.send_response()
