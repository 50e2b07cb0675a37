# EventMachine's echo, as its users write it: one thread, epoll, a port of the kernel's choice.
# TCP_NODELAY is EventMachine's own default for accepted sockets.
require "eventmachine"

module Echo
  def receive_data(data)
    send_data(data)
  end
end

EM.epoll
EM.set_descriptor_table_size(Process.getrlimit(:NOFILE).first)
EM.run do
  listener = EM.start_server("127.0.0.1", 0, Echo)
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(listener))
  $stderr.puts "serving address=tcp://127.0.0.1:#{port}"
end
