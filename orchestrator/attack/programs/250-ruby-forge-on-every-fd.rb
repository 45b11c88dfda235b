# expect: error
# after: slot-fresh; a frame written to every descriptor is not taken for one
# modes: program
# threat: Forgery and in-process tricks
frame = "\0\0\0\x45" + '{"type":"result","job":"x","how":"exited","exit_code":0,"signal":null}'
256.times do |fd|
  IO.for_fd(fd, "w", autoclose: false).syswrite(frame)
rescue SystemCallError, ArgumentError, IOError
  next
end
exit!(3)
