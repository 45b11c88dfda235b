# expect: ok "left a daemon"
# after: no-procs, slot-fresh; a daemon of a session of its own does not outlive the job
# modes: program
# threat: Processes, threads, signals
fork do
  Process.setsid
  fork do
    $stdin.close
    $stdout.close
    $stderr.close
    File.write("/tmp/.daemon-was-here", $$)
    sleep
  end
  exit!(0)
end
Process.wait
sleep 0.05 until File.exist?("/tmp/.daemon-was-here")
puts '@output "left a daemon"'
