// Says hello, and sends back what is posted to /echo.
package main

import "sandloop.dev/sdk"

type Hello struct{ sandloop.HTTPServer }

func (h *Hello) ProcessHTTPRequest(request *sandloop.HTTPRequest, response *sandloop.HTTPResponse) {
	response.ContentType("text/plain")
	switch request.Path {
	case "/":
		response.Content = []byte("hello\n")
	case "/echo":
		response.Content = request.Content
	default:
		response.Status = 404
		response.Content = []byte("not found\n")
	}
	response.SendResponse()
}

func init() { sandloop.Handle[Hello]("hello") }

func main() {}
