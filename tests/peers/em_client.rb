# A real EventMachine client: many connections at once, each sends its own random bytes in random chunks to an
# echo server and compares every byte that comes back.
#
# usage: em_client.rb ADDRESS CONNECTIONS BYTES SEED
# ADDRESS is tcp://HOST:PORT or unix://PATH. Prints "ok CONNECTIONS BYTES" and exits 0 when all of it came
# back and nothing else; otherwise says on standard error what did not, and exits 1.
require 'eventmachine'

ADDRESS, CONNECTIONS, BYTES, SEED = ARGV[0], Integer(ARGV[1]), Integer(ARGV[2]), Integer(ARGV[3])
CHUNK_MAX = 64 * 1024
# Sending waits above this, or EventMachine would hold everything at once.
QUEUE_MAX = 128 * 1024
DEADLINE = 240

class EchoCheck < EM::Connection
  @done = 0
  class << self
    attr_accessor :done
  end

  def initialize(number)
    super()
    @number = number
    @random = Random.new(SEED + number)
    @data = @random.bytes(BYTES)
    @sent = 0
    @received = 0
  end

  def connection_completed
    send_chunks
  end

  def send_chunks
    while @sent < BYTES && get_outbound_data_size < QUEUE_MAX
      chunk = @data.byteslice(@sent, @random.rand(1..CHUNK_MAX))
      send_data(chunk)
      @sent += chunk.bytesize
    end
    EM.add_timer(0.002) { send_chunks } if @sent < BYTES && !@ended
  end

  def receive_data(data)
    unless @data.byteslice(@received, data.bytesize) == data
      fail_with("bytes #{@received}..#{@received + data.bytesize} differ")
    end
    @received += data.bytesize
    close_connection if @received == BYTES
  end

  def unbind(reason = nil)
    @ended = true
    fail_with("closed after #{@received} of #{BYTES} bytes: #{reason.inspect}") unless @received == BYTES
    EchoCheck.done += 1
    EM.stop if EchoCheck.done == CONNECTIONS
  end

  def fail_with(message)
    warn "connection #{@number}: #{message}"
    exit! 1
  end
end

EM.epoll
EM.run do
  EM.add_timer(DEADLINE) do
    warn "#{EchoCheck.done} of #{CONNECTIONS} connections are done after #{DEADLINE} s"
    exit! 1
  end
  CONNECTIONS.times do |number|
    if ADDRESS.start_with?('unix://')
      EM.connect_unix_domain(ADDRESS.delete_prefix('unix://'), EchoCheck, number)
    else
      host, port = ADDRESS.delete_prefix('tcp://').split(':')
      EM.connect(host, Integer(port), EchoCheck, number)
    end
  end
end
puts "ok #{CONNECTIONS} #{BYTES}"
