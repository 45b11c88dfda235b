# expect: ok "contained: nothing ran"
# after: no-procs, slot-fresh; there is no shell and no other program; what is written cannot be run
# modes: program
# threat: Native code and exec
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
["/bin/sh", "/usr/bin/id", "/bin/ls", "/usr/bin/gcc", "/usr/bin/env"].each do |program|
  say("ESCAPED: #{program}") if system(program, "-c", "true", out: File::NULL, err: File::NULL)
end
%w[/work/x /tmp/x].each do |path|
  IO.copy_stream("/usr/bin/ruby3.3", path)
  File.chmod(0o755, path)
  say("ESCAPED: ran #{path}") if system(path, "--disable-gems", "-e", "1", out: File::NULL, err: File::NULL)
end
say("contained: nothing ran")
