# expect: ok "contained: still here"
# after: no-procs, slot-fresh, daemon-ok; neither the runner nor PID 1 can be signalled or debugged
# modes: program
# threat: Processes, threads, signals
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
runner = Process.ppid
[-1, runner, -runner, -Process.getpgid(runner), 1].each do |whom|
  [0, :STOP, :TERM, :KILL].each do |number|
    Process.kill(number, whom)
    say("ESCAPED: #{number} to #{whom}")
  rescue SystemCallError
    next
  end
end
say("contained: still here")
