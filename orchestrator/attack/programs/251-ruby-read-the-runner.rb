# expect: ok "contained: closed"
# after: slot-fresh; memory, descriptors and environment of other processes are closed to the job
# modes: program
# threat: Forgery and in-process tricks
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
(Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i) - [$$]).each do |pid|
  %w[environ mem maps fd/0 fd/1 fd/2].each do |name|
    say("ESCAPED: /proc/#{pid}/#{name}") if File.read("/proc/#{pid}/#{name}", 1)
  rescue SystemCallError
    next
  end
  begin
    File.open("/proc/#{pid}/oom_score_adj", "w") { say("ESCAPED: oom_score_adj of #{pid}") }
  rescue SystemCallError
    next
  end
end
say("contained: closed")
