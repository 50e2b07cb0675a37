# Runs the program of one scenario on EventMachine. tests/guests/differential.rs does the same on Sandloop, and
# tests/suite/differential.rs compares what the two print. README.md has the words of the language.

require 'eventmachine'
require 'em/completion'
require 'em/pool'

$stdout.sync = true

class Interpreter
  attr_reader :blocks, :options

  def initialize(script, options)
    @options = options
    @blocks = Hash.new
    @things = Hash.new
    block = nil
    script.each_line do |line|
      line = line.sub(/#.*/, '').rstrip
      next if line.empty?
      if line =~ /\A(\S+):\z/
        block = @blocks[$1] = []
      else
        block << line.strip.split(' ')
      end
    end
  end

  # Runs a block; `arg` stands for $, `on` is the connection or the process it is about.
  def run(name, arg = '', on = nil)
    result = nil
    (@blocks[name] || []).each { |words| result = step(words, arg, on) }
    result
  end

  def has?(name)
    @blocks.key?(name)
  end

  def say(text)
    puts text
  end

  def named(name)
    @things.fetch(name)
  end

  def step(words, arg, on)
    op, *rest = words.map { |word| word.gsub('$', arg.to_s) }
    case op
    when 'say' then say rest.join(' ')
    when 'stop' then EM.stop
    when 'running' then say "running #{EM.reactor_running?}"
    when 'call' then EM.schedule { run(rest[0], arg, on) }
    when 'tick' then EM.next_tick { run(rest[0], rest[1] || arg, on) }
    when 'hook' then EM.add_shutdown_hook { run(rest[0]) }
    when 'timer'
      timer = EM::Timer.new(rest[0].to_i / 1000.0) { run(rest[1], arg, on) }
      @things[rest[2]] = timer if rest[2]
    when 'periodic'
      @things[rest[2]] = EM::PeriodicTimer.new(rest[0].to_i / 1000.0) { run(rest[1], arg, on) }
    when 'cancel' then named(rest[0]).cancel
    when 'count'
      @counts ||= Hash.new(0)
      run(rest[2], arg, on) if (@counts[rest[0]] += 1) == rest[1].to_i
    else socket_step(op, rest, arg, on)
    end
  end

  def socket_step(op, rest, arg, on)
    case op
    when 'connect' then EM.connect('127.0.0.1', options.fetch('port'), Client, self)
    when 'connect_unix' then EM.connect_unix_domain(options.fetch('path'), Client, self)
    when 'send' then on.send_data(rest.join(' ').gsub('\n', "\n"))
    when 'send_many' then rest[0].to_i.times { |i| on.send_data("#{i},") }
    when 'send_bytes' then on.send_data('x' * rest[0].to_i)
    when 'close' then on.close_connection
    when 'close_after' then on.close_connection_after_writing
    when 'pause' then on.pause
    when 'resume' then on.resume
    when 'paused' then say "paused #{on.paused?}"
    when 'inactivity' then on.comm_inactivity_timeout = rest[0].to_i / 1000.0
    when 'pending' then on.pending_connect_timeout = rest[0].to_i / 1000.0
    when 'show_timeouts'
      say "#{(on.comm_inactivity_timeout * 1000).round} #{(on.pending_connect_timeout * 1000).round}"
    when 'peer'
      name = on.get_peername
      say "peer #{name ? Socket.unpack_sockaddr_in(name)[1] : 'none'}"
    when 'idle' then say(on.get_idle_time >= 0.3 ? 'idle for long' : 'just active')
    when 'outbound' then say "outbound #{on.get_outbound_data_size}"
    when 'send_file'
      begin
        on.send_file_data(rest[0])
      rescue StandardError
        say 'refused'
      end
    when 'stream_file'
      streamer = on.stream_file_data(rest[0])
      streamer.callback { run(rest[1], arg, on) }
      streamer.errback { run(rest[2], arg, on) }
    when 'proxy_to' then EM.enable_proxy(on, named(rest[0]), rest[1].to_i, rest[2].to_i)
    when 'stop_proxying' then on.stop_proxying
    when 'proxied' then say "proxied #{on.get_proxied_bytes}"
    when 'remember' then @things[rest[0]] = on
    when 'with' then run(rest[1], arg, named(rest[0]))
    else own_socket_step(op, rest, arg, on)
    end
  end

  # What a program opens itself.
  def own_socket_step(op, rest, arg, on)
    case op
    when 'serve'
      @things[rest[0]] = EM.start_server('127.0.0.1', 0, Server, self)
      port_of(rest[0])
    when 'serve_at'
      begin
        @things[rest[0]] = EM.start_server('127.0.0.1', port_of(rest[1]), Server, self)
      rescue RuntimeError
        say 'in use'
      end
    when 'stop_server' then EM.stop_server(named(rest[0]))
    when 'connect_to' then EM.connect('127.0.0.1', port_of(rest[0]), Client, self)
    when 'bind_connect'
      EM.bind_connect(rest[0], 0, '127.0.0.1', port_of(rest[1]), Client, self)
    when 'reconnect' then on.reconnect('127.0.0.1', port_of(rest[0]))
    when 'connections' then say "connections #{EM.connection_count}"
    when 'datagrams'
      @things[rest[0]] = EM.open_datagram_socket('127.0.0.1', 0, Datagrams, self, rest[0])
      port_of(rest[0])
    when 'send_to' then on.send_datagram(rest[1..].join(' '), '127.0.0.1', port_of(rest[0]))
    when 'send_size_to' then on.send_datagram('x' * rest[1].to_i, '127.0.0.1', port_of(rest[0]))
    when 'bytes' then say "bytes #{arg.bytesize}"
    when 'who'
      port, = Socket.unpack_sockaddr_in(on.get_peername)
      say "it is #{rest[0]}: #{port == port_of(rest[0])}"
    when 'keepalive' then on.enable_keepalive(*rest.map(&:to_i))
    when 'no_keepalive' then on.disable_keepalive
    when 'show_keepalive'
      is_on = option(on, Socket::SOL_SOCKET, Socket::SO_KEEPALIVE) != 0
      options = [Socket::TCP_KEEPIDLE, Socket::TCP_KEEPINTVL, Socket::TCP_KEEPCNT]
      values = options.map { |it| option(on, Socket::IPPROTO_TCP, it) }
      say(is_on ? "keepalive #{values.join(' ')}" : 'no keepalive')
    when 'watch' then @things[rest[1]] = EM.watch_file(rest[0], Watched, self)
    when 'unwatch' then named(rest[0]).stop_watching
    when 'show_nodelay'
      say "nodelay #{option(on, Socket::IPPROTO_TCP, Socket::TCP_NODELAY) != 0}"
    else framed_step(op, rest, arg, on)
    end
  end

  def option(on, level, name) = on.get_sock_opt(level, name).unpack1('i')

  # It stays known when the listener is gone.
  def port_of(name)
    thing = named(name)
    @ports ||= {}
    @ports[name] ||= begin
      address = thing.is_a?(EM::Connection) ? thing.get_sockname : EM.get_sockname(thing)
      Socket.unpack_sockaddr_in(address)[0]
    end
  end

  def framed_step(op, rest, arg, on)
    text = rest.join(' ').gsub('\n', "\n")
    case op
    when 'delimiter' then on.set_delimiter(text)
    when 'line_mode' then on.set_line_mode(text)
    when 'text_mode' then on.set_text_mode(text == 'none' ? nil : text.to_i)
    when 'send_object' then on.send_object(text)
    else deferrable_step(op, rest, arg, on)
    end
  end

  def deferrable_step(op, rest, arg, on)
    case op
    when 'deferrable' then @things[rest[0]] = EM::DefaultDeferrable.new
    when 'callback' then waiting(:callback, rest)
    when 'errback' then waiting(:errback, rest)
    when 'cancel_callback' then named(rest[0]).cancel_callback(@things.fetch("callback #{rest[1]}"))
    when 'cancel_errback' then named(rest[0]).cancel_errback(@things.fetch("errback #{rest[1]}"))
    when 'succeed' then named(rest[0]).succeed(rest[1])
    when 'fail' then named(rest[0]).fail(rest[1])
    when 'unknown' then named(rest[0]).set_deferred_status(:unknown)
    when 'timeout' then named(rest[0]).timeout(rest[1].to_i / 1000.0, rest[2])
    when 'cancel_timeout' then named(rest[0]).cancel_timeout
    when 'completion' then @things[rest[0]] = EM::Completion.new
    when 'stateback' then named(rest[0]).stateback(rest[1].to_sym) { |v| run(rest[2], v, on) }
    when 'completed' then named(rest[0]).completion { |v| run(rest[1], v, on) }
    when 'change' then named(rest[0]).change_state(rest[1].to_sym, rest[2])
    when 'state' then say "state #{named(rest[0]).state} #{named(rest[0]).completed?}"
    else lightweight_step(op, rest, arg, on)
    end
  end

  # A proc of its own for each, so that it can be cancelled.
  def waiting(kind, rest)
    action = proc { |v| run(rest[1], v) }
    @things["#{kind} #{rest[1]}"] = action
    named(rest[0]).send(kind, &action)
  end

  def lightweight_step(op, rest, arg, on)
    case op
    when 'spawn'
      this = self
      @things[rest[0]] = EM.spawn { |v| this.run(rest[1], v, self) }
    when 'notify' then named(rest[0]).notify(rest[1])
    when 'notify_self' then on.notify(rest[0])
    when 'yield'
      this = self
      EM.yield { |v| this.run(rest[0], v, self) }
    when 'yield_and_notify'
      this = self
      EM.yield_and_notify { |v = ''| this.run(rest[0], v, self) }
    when 'tick_loop'
      calls = 0
      @things[rest[0]] = EM.tick_loop do
        calls += 1
        run(rest[1], calls.to_s)
        calls == rest[2].to_i ? :stop : nil
      end
    when 'restart' then named(rest[0]).start
    when 'halt' then named(rest[0]).stop
    when 'on_stop' then named(rest[0]).on_stop { run(rest[1]) }
    when 'stopped' then say "stopped #{named(rest[0]).stopped?}"
    else list_step(op, rest, arg, on)
    end
  end

  def list_step(op, rest, arg, on)
    case op
    when 'iterator' then @things[rest[0]] = EM::Iterator.new(rest[1].split(','), rest[2].to_i)
    when 'concurrency' then named(rest[0]).concurrency = rest[1].to_i
    when 'each'
      named(rest[0]).each(proc { |item, iter| run(rest[1], item, iter) }, proc { run(rest[2]) })
    when 'map'
      after = proc { |all| run(rest[2], all.join('+')) }
      named(rest[0]).map(proc { |item, iter| run(rest[1], item, iter) }, after)
    when 'inject'
      fold = proc { |sum, item, iter| iter.return("#{sum}#{item}") }
      named(rest[0]).inject(rest[1], fold, proc { |sum| run(rest[2], sum) })
    when 'next' then on.next
    when 'next_in' then EM.add_timer(rest[0].to_i / 1000.0) { on.next }
    when 'return_in' then EM.add_timer(rest[0].to_i / 1000.0) { on.return(rest[1]) }
    when 'pool'
      @things[rest[0]] = pool = EM::Pool.new
      rest[1].split(',').each { |resource| pool.add(resource) }
    when 'perform'
      named(rest[0]).perform do |resource|
        deferrable = EM::DefaultDeferrable.new
        @things["work #{rest[1]}"] = deferrable
        say "#{rest[1]} has #{resource}"
        deferrable
      end
    when 'done' then named("work #{rest[0]}").succeed
    when 'spoil' then named("work #{rest[0]}").fail
    when 'on_error' then named(rest[0]).on_error { |resource| run(rest[1], resource) }
    when 'add' then named(rest[0]).add(rest[1])
    when 'remove' then named(rest[0]).remove(rest[1])
    when 'pool_state' then say "waiting #{named(rest[0]).num_waiting} of #{named(rest[0]).contents.join(',')}"
    else shared_step(op, rest, arg, on)
    end
  end

  def shared_step(op, rest, arg, on)
    case op
    when 'channel' then @things[rest[0]] = EM::Channel.new
    when 'subscribe' then @things[rest[1]] = named(rest[0]).subscribe { |m| run(rest[2], m, on) }
    when 'unsubscribe' then named(rest[0]).unsubscribe(named(rest[1]))
    when 'once' then named(rest[0]).pop { |m| run(rest[1], m, on) }
    when 'push', 'publish' then named(rest[0]).push(rest[1])
    when 'subscribers' then say "subscribers #{named(rest[0]).num_subscribers}"
    when 'queue' then @things[rest[0]] = EM::Queue.new
    when 'pop' then named(rest[0]).pop { |item| run(rest[1], item, on) }
    when 'size' then say "size #{named(rest[0]).size} waiting #{named(rest[0]).num_waiting}"
    when 'defer'
      operation = proc do
        sleep(rest[0].to_i / 1000.0)
        raise rest[1].sub('!', '') if rest[1].start_with?('!')
        rest[1]
      end
      EM.defer(operation, proc { |v| run(rest[2], v, on) }, proc { |e| run(rest[3], e.message, on) })
    else raise "no such step: #{op}"
    end
  end

  def reason(reason)
    { nil => 'none', Errno::ECONNREFUSED => 'refused', Errno::ETIMEDOUT => 'timeout',
      Errno::ECONNRESET => 'reset', Errno::EMSGSIZE => 'too long' }.fetch(reason)
  end
end

# A connection whose callbacks are blocks named after its role.
class Scripted < EM::Connection
  def initialize(interpreter)
    @interpreter = interpreter
  end

  def post_init
    event('post_init')
  end

  def connection_completed
    event('connection_completed')
  end

  # The cuts between pieces are nobody's promise: a block is given what has come when it ends a line.
  def receive_data(data)
    if @interpreter.has?("#{role}.receive_line")
      (@buffer ||= +'') << data
      while (line = @buffer.slice!(/\A[^\n]*\n/))
        event('receive_line', line.chomp)
      end
    else
      event('receive_data', data)
    end
  end

  def proxy_target_unbound
    event('proxy_target_unbound')
  end

  def proxy_completed
    event('proxy_completed')
  end

  def unbind(reason)
    event('unbind', @interpreter.reason(reason))
  end

  def event(name, arg = '')
    @interpreter.run("#{role}.#{name}", arg, self)
  end
end

class Server < Scripted
  def role = 'server'
end

class Client < Scripted
  def role = 'client'
end

# A UDP socket, whose blocks are named after it.
class Datagrams < Scripted
  attr_reader :role

  def initialize(interpreter, role)
    super(interpreter)
    @role = role
  end
end

# A file or a folder.
class Watched < EM::FileWatch
  def initialize(interpreter)
    @interpreter = interpreter
  end

  def file_modified = @interpreter.run('watch.modified')
  def file_moved = @interpreter.run('watch.moved')
  def file_deleted = @interpreter.run('watch.deleted')
  def unbind = @interpreter.run('watch.unbind')
end

# Bytes as Rust writes them, and as one word.
def escaped(bytes)
  text = bytes.b.inspect[1..-2].gsub('\"', '"').gsub(/\\x\h\h/) { |hex| hex.downcase }
  text.gsub(' ', '_')
end

# Connections that speak one of EventMachine's protocols.
class Framed < EM::Connection
  def initialize(interpreter)
    super
    @interpreter = interpreter
  end

  def post_init
    event('post_init')
  end

  def event(name, arg = '')
    @interpreter.run("#{role}.#{name}", escaped(arg), self)
  end

  def ended(reason)
    event('unbind', @interpreter.reason(reason))
  end
end

class Lines < Framed
  include EM::P::LineText2

  def role = 'lines'
  def receive_line(line) = event('receive_line', line)
  def receive_binary_data(data) = event('receive_binary_data', data)
  def receive_end_of_binary_data = event('receive_end_of_binary_data')

  def unbind(reason)
    EM::P::LineText2.instance_method(:unbind).bind_call(self)
    ended(reason)
  end
end

class Content < EM::P::HeaderAndContentProtocol
  def initialize(interpreter)
    super
    @interpreter = interpreter
  end

  def event(name, arg = '') = @interpreter.run("content.#{name}", escaped(arg), self)
  def post_init = event('post_init')
  def receive_first_header_line(line) = event('receive_first_header_line', line)
  def receive_headers(headers) = event('receive_headers', headers.size.to_s)
  def receive_request(headers, content) = event('receive_request', "#{headers.join('|')}=#{content}")

  def unbind(reason)
    EM::P::LineText2.instance_method(:unbind).bind_call(self)
    event('unbind', @interpreter.reason(reason))
  end
end

# Objects are bytes: what is compared is what stands around them.
class Objects < Framed
  include EM::P::ObjectProtocol

  module Plain
    def self.dump(object) = object.to_s
    def self.load(bytes) = bytes
  end

  def role = 'objects'
  def serializer = Plain
  def receive_object(object) = event('receive_object', object)
  def unbind(reason) = ended(reason)
end

script = File.read(ARGV.shift)[/^\[program\]\n(.*?)(^\[|\z)/m, 1]
options = ARGV.map { |pair| pair.split('=', 2) }.to_h
interpreter = Interpreter.new(script, options)
interpreter.run('before')
EM.epoll
EM.run do
  if options['listen'] == 'tcp'
    kind = { nil => Server, 'lines' => Lines, 'content' => Content, 'objects' => Objects }
    server = EM.start_server('127.0.0.1', 0, kind.fetch(options['protocol']), interpreter)
    $stderr.puts "port #{Socket.unpack_sockaddr_in(EM.get_sockname(server))[0]}"
  elsif options['listen'] == 'unix'
    EM.start_unix_domain_server(options['path'], Server, interpreter)
    $stderr.puts 'port unix'
  end
  $stderr.flush
  interpreter.run('start')
end
interpreter.run('after')
