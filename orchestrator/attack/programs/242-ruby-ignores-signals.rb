# expect: timeout
# after: no-procs, slot-fresh; handlers and rescue do not extend the deadline
# modes: program
# threat: Time
%w[HUP INT QUIT TERM ALRM XCPU].each { |name| trap(name) {} }
begin
  sleep
rescue Exception
  retry
end while true
