# expect: ok "contained: alone"
# after: slot-fresh; nothing that the job before has started is visible
# modes: program
# threat: Processes, threads, signals
# follows: 246
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
others = Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i) - [1, $$, Process.ppid]
say(others.empty? && !File.exist?("/tmp/.daemon-was-here") ? "contained: alone" : "ESCAPED: #{others}")
