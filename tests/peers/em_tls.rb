# EventMachine's TLS beside a plugin's: em_tls.rb client PORT, or em_tls.rb server CERT KEY, prints what it sees.

require 'eventmachine'

STDOUT.sync = true

module Told
  def ssl_handshake_completed
    puts "completed #{get_cipher_protocol} #{!get_peer_cert.nil?} #{get_sni_hostname}"
    send_data "hello\n" if @begins
  end

  def receive_data(data)
    (@text ||= +'') << data
    return unless @text.end_with?("\n")
    puts @text.strip
    @begins ? close_connection : send_data("from EventMachine: #{@text}")
    @text = +''
  end
end

module Client
  include Told

  def connection_completed
    @begins = true
    start_tls sni_hostname: 'localhost'
  end

  def unbind
    puts 'unbind'
    EM.stop
  end
end

module Server
  include Told

  def initialize(certificate, key)
    @certificate, @key = certificate, key
  end

  def post_init
    start_tls cert_chain_file: @certificate, private_key_file: @key
  end

  def unbind
    puts 'unbind'
    EM.stop
  end
end

EM.run do
  EM.add_timer(60) { EM.stop }
  case ARGV[0]
  when 'client' then EM.connect('127.0.0.1', ARGV[1].to_i, Client)
  when 'server'
    signature = EM.start_server('127.0.0.1', 0, Server, ARGV[1], ARGV[2])
    puts Socket.unpack_sockaddr_in(EM.get_sockname(signature))[0]
  end
end
