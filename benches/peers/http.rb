# thin, the web server on EventMachine, with the smallest Rack application; connections stay.
require 'thin'

page = '<center><h1>Wham-o</h1></center>'
head = { 'Content-Type' => 'text/html', 'Content-Length' => page.bytesize.to_s }
Thin::Logging.silent = true
EM.epoll
Thin::Server.start('127.0.0.1', Integer(ARGV[0]), signals: false) do
  run(->(_env) { [200, head, [page]] })
end
