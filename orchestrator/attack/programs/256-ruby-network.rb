# expect: ok "contained: no socket"
# after: no-listeners, daemon-ok; the image has no sockets, and the kernel gives none
# modes: program
# threat: Network
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
begin
  require "socket"
  TCPServer.new("127.0.0.1", 0)
  say("ESCAPED: a listener")
rescue LoadError, SystemCallError
  say("contained: no socket")
end
