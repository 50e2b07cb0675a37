# Prints every public method and every protocol of EventMachine that is written in Ruby: what docs/eventmachine.md has to
# name. Below Ruby there are only the primitives that these call.

require 'eventmachine'
require 'em/completion'
require 'em/pool'
require 'em/threaded_resource'

def show(method)
  puts method.name if method.source_location
end

EM.singleton_methods(false).each { |name| show(EM.method(name)) }
[EM::Connection, EM::Channel, EM::Queue, EM::Iterator, EM::Completion, EM::Pool, EM::TickLoop, EM::SpawnedProcess,
 EM::ThreadedResource, EM::Timer, EM::PeriodicTimer, EM::Deferrable, EM::FileStreamer, EM::FileWatch,
 EM::ProcessWatch].each do |type|
  type.public_instance_methods(false).each { |name| show(type.instance_method(name)) }
end
puts EM::Protocols.constants
