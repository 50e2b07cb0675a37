//go:build wasip1

package sandloop

import (
	slices "bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a request may have at most, and how long the server waits: between two requests, for a whole one, and for a peer to end its
// side after the last answer.
const (
	httpHeadMax    = 16 << 10
	httpFieldsMax  = 100
	httpTargetMax  = 8 << 10
	httpEmptyMax   = 10
	httpContentMax = 1 << 20
	httpIdle       = 60 * time.Second
	httpWhole      = 30 * time.Second
	httpLinger     = 2 * time.Second
)

// HTTPServer is a connection whose peer sends requests, HTTP/1.1 and 1.0: a handler embeds it, and has a method
//
//	ProcessHTTPRequest(request *sandloop.HTTPRequest, response *sandloop.HTTPResponse)
//
// Requests come whole, one after the other; the next one waits for the answer. A head has 16 KiB and 100 fields at most, a body
// 1 MiB, and a request 30 seconds. What is no request, or could be understood in two ways, is refused with its status.
type HTTPServer struct {
	Conn
	input []byte
	// How much of the input has no end of a line.
	searched int
	phase    httpPhase
	request  *HTTPRequest
	// The answer to such a request has no content, also where it is refused.
	isHead     bool
	room       int
	count      int
	left       int
	// Empty lines before a request.
	empty      int
	content    []byte
	// Ends a request that does not become whole; behind the last answer, the connection.
	whole      *Timer
	isDraining bool
	isRunning  bool
}

// httpPhase is what comes next.
type httpPhase uint8

const (
	httpRequest httpPhase = iota
	httpFields
	httpContent
	httpSize
	httpChunk
	httpGap
	httpTrailers
	// Nothing before the answer.
	httpAnswer
	httpOver
)

// HTTPRequest is a request with its whole content.
type HTTPRequest struct {
	Method string
	// Target is as it came, and so are its parts: percent-encoded.
	Target, Path, QueryString string
	// Version is "1.0" or "1.1".
	Version string
	// Headers are by their names in lower case; what came more than once is joined by ", ".
	Headers map[string]string
	Content []byte
}

// Header is the field of this name, in whatever case; "" where it is not there.
func (r *HTTPRequest) Header(name string) string { return r.Headers[strings.ToLower(name)] }

// HTTPResponse is the answer to one request, to be sent now or later.
type HTTPResponse struct {
	// Status is 200 at first.
	Status  int
	Content []byte
	fields  strings.Builder
	server  *HTTPServer
	request *HTTPRequest
}

// Header adds a field. The length, Connection and Date are the server's: those, and what is no field, are the plugin's mistake.
func (r *HTTPResponse) Header(name, value string) {
	switch {
	case !isToken(name) || hasControl(value):
		panic(fmt.Sprintf("sandloop: header %q: a name is a word, and a value one line", name))
	case strings.Contains(" connection content-length date keep-alive transfer-encoding upgrade ", " "+strings.ToLower(name)+" "):
		panic("sandloop: header " + name + ": the server says it itself; leave it out")
	}
	r.fields.WriteString(name + ": " + value + "\r\n")
}

// ContentType adds Content-Type.
func (r *HTTPResponse) ContentType(value string) { r.Header("Content-Type", value) }

// SendResponse sends the answer, once. Where the connection has ended it goes nowhere.
func (r *HTTPResponse) SendResponse() {
	if r.Status < 200 || r.Status > 999 {
		panic(fmt.Sprintf("sandloop: status %d: an answer has one from 200 to 999", r.Status))
	}
	s := r.server
	if s == nil {
		panic("sandloop: SendResponse: this request has its answer already")
	}
	r.server = nil
	if s.phase != httpAnswer || s.request != r.request {
		return
	}
	s.phase = httpRequest
	s.answer(r.Status, r.fields.String(), r.Content)
	if s.IsPaused() {
		s.Resume()
	}
	s.run()
}

// PostInit is the server's; a handler that has one of its own calls it.
func (s *HTTPServer) PostInit() { s.SetCommInactivityTimeout(httpIdle) }

func (s *HTTPServer) ReceiveData(data []byte) {
	if s.phase != httpOver {
		s.input = append(s.input, data...)
		s.run()
	}
}

func (s *HTTPServer) Draining(time.Duration) Drain {
	s.isDraining = true
	if s.isBetween() {
		return WhenIdle
	}
	return UntilClosed
}

// Unbind is the server's; a handler that has one of its own calls it.
func (s *HTTPServer) Unbind(CloseReason) {
	s.phase = httpOver
	s.whole.Cancel()
}

func (s *HTTPServer) isBetween() bool { return s.phase == httpRequest && len(s.input) == 0 }

func (s *HTTPServer) run() {
	if s.isRunning {
		return
	}
	s.isRunning = true
	for s.phase < httpAnswer {
		goesOn, status := s.step()
		if status != 0 {
			s.phase = httpOver
			words := fmt.Sprintf("%d %s\n", status, httpReasons[status])
			s.answer(status, "Content-Type: text/plain\r\n", []byte(words))
		}
		if !goesOn {
			break
		}
	}
	s.isRunning = false
	if s.phase == httpAnswer || s.isBetween() {
		s.whole.Cancel()
		s.whole = nil
	} else if s.whole == nil {
		s.whole = AddTimer(httpWhole, func() {
			s.whole, s.phase = nil, httpOver
			s.answer(408, "", nil)
		})
	}
	if s.phase == httpAnswer {
		// Whoever waits for an answer is not read from; nor is its end seen before.
		s.Pause()
	}
}

// step takes one thing out of the input: whether it was there, and the status with which it is refused.
func (s *HTTPServer) step() (bool, int) {
	room, status := s.room, 431
	switch s.phase {
	case httpContent, httpChunk:
		return s.data(), 0
	case httpRequest:
		room = httpHeadMax
		if status := checkBeginning(s.input); status != 0 {
			return false, status
		}
	case httpSize:
		room, status = 4096, 400
	case httpGap:
		room, status = 1, 400
	}
	line, isThere, status := s.line(room, status)
	if status != 0 || !isThere {
		return false, status
	}
	switch s.phase {
	case httpRequest:
		// Some clients send an empty line behind a body.
		if line == "" {
			s.empty++
			if s.empty > httpEmptyMax {
				return false, 400
			}
			return true, 0
		}
		s.empty = 0
		s.isHead, s.request = strings.HasPrefix(line, "HEAD "), nil
		s.request, status = parseRequestLine(line)
		s.room, s.count, s.phase = httpHeadMax-len(line), 0, httpFields
	case httpFields:
		status = s.field(line)
	case httpSize:
		status = s.chunk(line)
	case httpGap:
		if line != "" {
			return false, 400
		}
		s.phase = httpSize
	case httpTrailers:
		status = s.trailer(line)
	}
	return status == 0, status
}

// line takes a line without its end, where it is there.
func (s *HTTPServer) line(room, status int) (string, bool, int) {
	end := slices.IndexByte(s.input[s.searched:], '\n')
	if end < 0 {
		s.searched = len(s.input)
		if s.searched > room {
			return "", false, status
		}
		return "", false, 0
	}
	end += s.searched
	switch {
	case end > room:
		return "", false, status
	case end == 0 || s.input[end-1] != '\r':
		return "", false, 400
	}
	line := string(s.input[:end-1])
	if hasControl(line) {
		return "", false, 400
	}
	s.take(end + 1)
	return line, true, 0
}

func (s *HTTPServer) take(count int) {
	s.input, s.searched = s.input[count:], 0
	if len(s.input) == 0 {
		s.input = nil
	}
}

func (s *HTTPServer) field(line string) int {
	if line != "" {
		s.room -= len(line) + 2
		s.count++
		if s.count > httpFieldsMax {
			return 431
		}
		return s.request.take(line)
	}
	length, status := s.request.check()
	if status != 0 {
		return status
	}
	s.content, s.left, s.phase = nil, length, httpContent
	switch {
	case length == 0:
		s.isWhole()
		return 0
	case length < 0:
		s.left, s.phase = 0, httpSize
	}
	if s.request.Header("expect") != "" && s.request.Version == "1.1" {
		s.SendString("HTTP/1.1 100 Continue\r\n\r\n")
	}
	return 0
}

// trailer takes a line behind the last chunk. One that has two programs read the message differently is refused.
func (s *HTTPServer) trailer(line string) int {
	if line == "" {
		s.isWhole()
		return 0
	}
	s.room -= len(line) + 2
	s.count++
	name, _, hasColon := strings.Cut(line, ":")
	switch {
	case !hasColon || !isToken(name) || strings.Contains(" content-length host transfer-encoding ", " "+strings.ToLower(name)+" "):
		return 400
	case s.count > httpFieldsMax:
		return 431
	}
	return 0
}

func (s *HTTPServer) chunk(line string) int {
	size, _, hasExtension := strings.Cut(line, ";")
	if hasExtension {
		size = strings.TrimRight(size, " \t")
	}
	if size == "" || len(size) > 16 || strings.Trim(size, "0123456789abcdefABCDEF") != "" {
		return 400
	}
	number, err := strconv.ParseUint(size, 16, 32)
	if err != nil || uint64(len(s.content))+number > httpContentMax {
		return 413
	}
	s.room, s.count, s.left, s.phase = httpHeadMax, 0, int(number), httpChunk
	if number == 0 {
		s.phase = httpTrailers
	}
	return 0
}

func (s *HTTPServer) data() bool {
	if len(s.input) == 0 {
		return false
	}
	count := min(s.left, len(s.input))
	s.content = append(s.content, s.input[:count]...)
	s.take(count)
	s.left -= count
	switch {
	case s.left > 0:
	case s.phase == httpChunk:
		s.phase = httpGap
	default:
		s.isWhole()
	}
	return true
}

func (s *HTTPServer) isWhole() {
	s.request.Content, s.content, s.phase = s.content, nil, httpAnswer
	server, isServer := s.handler.(interface {
		ProcessHTTPRequest(*HTTPRequest, *HTTPResponse)
	})
	if !isServer {
		panic(fmt.Sprintf("sandloop: %T embeds HTTPServer and has no method ProcessHTTPRequest(request *sandloop.HTTPRequest, response *sandloop.HTTPResponse)", s.handler))
	}
	server.ProcessHTTPRequest(s.request, &HTTPResponse{Status: 200, server: s, request: s.request})
}

func (s *HTTPServer) answer(status int, fields string, content []byte) {
	if s.isDraining || s.request == nil || !s.request.keepsOpen() {
		s.phase = httpOver
	}
	isBare := status == 204 || status == 304
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n%s", status, httpReasons[status], fields)
	if !isBare {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(content))
	}
	if s.phase == httpOver {
		head.WriteString("Connection: close\r\n")
	} else if s.request.Version == "1.0" {
		head.WriteString("Connection: keep-alive\r\n")
	}
	head.WriteString("Date: " + time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "\r\n\r\n")
	if !isBare && !s.isHead {
		head.Write(content)
	}
	s.SendString(head.String())
	if s.phase != httpOver {
		return
	}
	// A close would be a reset where the peer still sends, which takes along what it has not read.
	s.input = nil
	if s.HalfClose() != nil {
		s.CloseConnection()
		return
	}
	s.whole.Cancel()
	s.whole = AddTimer(httpLinger, s.CloseConnection)
}

func parseRequestLine(line string) (*HTTPRequest, int) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || !isVisible(parts[1]) {
		return nil, 400
	}
	r := &HTTPRequest{Method: parts[0], Target: parts[1], Version: "1.1", Headers: map[string]string{}}
	switch version := parts[2]; {
	case len(version) != 8 || version[:5] != "HTTP/" || version[6] != '.' || !isDigits(version[5:6]+version[7:]):
		return nil, 400
	case version[5] != '1':
		return nil, 505
	case version[7] == '0':
		r.Version = "1.0"
	}
	if len(r.Target) > httpTargetMax {
		return nil, 414
	}
	if r.Method == "CONNECT" {
		// Only proxies have tunnels.
		if colon := strings.LastIndexByte(r.Target, ':'); isHost(r.Target) && colon >= 0 && isDigits(r.Target[colon+1:]) {
			return nil, 501
		}
		return nil, 400
	}
	path, isWhole := r.Target, false
	for _, scheme := range []string{"http://", "https://"} {
		if len(path) > len(scheme) && strings.EqualFold(path[:len(scheme)], scheme) {
			rest := path[len(scheme):]
			end := strings.IndexAny(rest, "/?")
			if end < 0 {
				end = len(rest)
			}
			path, isWhole = rest[end:], true
			if end == 0 || !isHost(rest[:end]) {
				return nil, 400
			}
			break
		}
	}
	isPath := strings.HasPrefix(path, "/") || isWhole && (path == "" || path[0] == '?')
	if !isPath && !(path == "*" && r.Method == "OPTIONS") {
		return nil, 400
	}
	r.Path, r.QueryString, _ = strings.Cut(path, "?")
	if r.Path == "" {
		r.Path = "/"
	}
	return r, 0
}

func (r *HTTPRequest) take(line string) int {
	name, value, hasColon := strings.Cut(line, ":")
	if !hasColon || !isToken(name) {
		return 400
	}
	name, value = strings.ToLower(name), strings.Trim(value, " \t")
	before, isThere := r.Headers[name]
	if isThere && (name == "host" || name == "content-length") {
		return 400
	}
	if isThere {
		value = before + ", " + value
	}
	r.Headers[name] = value
	return 0
}

// check answers how many bytes of content follow, -1 where they come in chunks, or the status of a refusal.
func (r *HTTPRequest) check() (int, int) {
	host, hasHost := r.Headers["host"]
	if !hasHost && r.Version == "1.1" || !isHost(host) {
		return 0, 400
	}
	length, hasLength := r.Headers["content-length"]
	if hasLength && !isDigits(length) {
		return 0, 400
	}
	coding, isCoded := r.Headers["transfer-encoding"]
	if isCoded {
		codings := members(coding)
		if hasLength || r.Version == "1.0" || indexOf(codings, "chunked") != len(codings)-1 {
			return 0, 400
		}
		if len(codings) > 1 {
			return 0, 501
		}
	}
	if expected, isThere := r.Headers["expect"]; isThere && r.Version == "1.1" && !strings.EqualFold(expected, "100-continue") {
		return 0, 417
	}
	if isCoded {
		return -1, 0
	}
	number, _ := strconv.Atoi(strings.TrimLeft(length, "0"))
	if number > httpContentMax || len(strings.TrimLeft(length, "0")) > 9 {
		return 0, 413
	}
	return number, 0
}

func (r *HTTPRequest) keepsOpen() bool {
	options := members(r.Headers["connection"])
	return indexOf(options, "close") < 0 && (r.Version == "1.1" || indexOf(options, "keep-alive") >= 0)
}

// checkBeginning answers the status of what no line of a request begins with.
func checkBeginning(input []byte) int {
	space := slices.IndexByte(input, ' ')
	method := input
	if space >= 0 {
		method = input[:space]
	}
	if len(method) > 33 {
		method = method[:33]
	}
	switch {
	case len(input) > 0 && input[0] == '\r':
		return 0
	case len(method) > 0 && !isToken(string(method)):
		return 400
	case len(method) > 32:
		return 501
	case space >= 0 && len(input)-space-1 > httpTargetMax && slices.IndexByte(input[space+1:space+2+httpTargetMax], ' ') < 0:
		return 414
	}
	return 0
}

// isHost: a host with or without a port.
func isHost(word string) bool {
	name, port := word, ""
	if colon := strings.LastIndexByte(word, ':'); colon >= 0 && !strings.HasSuffix(word, "]") {
		name, port = word[:colon], word[colon+1:]
	}
	if number, err := strconv.ParseUint("0"+port, 10, 16); err != nil || number > 65535 || strings.Trim(port, "0123456789") != "" {
		return false
	}
	if inner, isAddress := strings.CutPrefix(name, "["); isAddress {
		inner, isClosed := strings.CutSuffix(inner, "]")
		return isClosed && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	return strings.Trim(name, "!$&'()*+;=%_.~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// members of a list, in lower case.
func members(list string) []string {
	all := strings.Split(strings.ToLower(list), ",")
	for i := range all {
		all[i] = strings.Trim(all[i], " \t")
	}
	return all
}

func indexOf(all []string, one string) int {
	for i, it := range all {
		if it == one {
			return i
		}
	}
	return -1
}

func isToken(word string) bool {
	return word != "" && strings.Trim(word, "!#$%&'*+.^_`|~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

func isVisible(word string) bool {
	return word != "" && strings.IndexFunc(word, func(c rune) bool { return c < '!' || c > '~' || c == '#' }) < 0
}

func isDigits(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }

func hasControl(line string) bool {
	for i := range len(line) {
		if line[i] < ' ' && line[i] != '\t' || line[i] == 0x7f {
			return true
		}
	}
	return false
}

var httpReasons = map[int]string{
	200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 302: "Found",
	303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
	401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
	410: "Gone", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 417: "Expectation Failed",
	422: "Unprocessable Content", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
	501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
	505: "HTTP Version Not Supported",
}
