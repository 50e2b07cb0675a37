# Sends datagrams of many sizes to a UDP echo, one after the other, and compares what comes back.
require 'eventmachine'

COUNT = 200
host, port = ARGV[0].delete_prefix('udp://').split(':')

# EventMachine receives up to 16,383 bytes of a datagram.
SIZES = Array.new(COUNT) { |number| [number * 80, 16_000].min }

module Peer
  def initialize(host, port)
    super()
    @host, @port, @number = host, port, 0
  end

  def post_init
    ask
  end

  def ask
    @sent = 'x' * SIZES[@number]
    send_datagram(@sent, @host, @port)
  end

  def receive_data(data)
    abort "datagram #{@number}: #{data.bytesize} bytes, not #{@sent.bytesize}" if data != @sent
    @number += 1
    return ask if @number < COUNT
    puts "ok #{@number}"
    EventMachine.stop
  end
end

EventMachine.run do
  EventMachine.add_timer(30) { abort 'no answer' }
  EventMachine.open_datagram_socket('127.0.0.1', 0, Peer, host, port.to_i)
end
