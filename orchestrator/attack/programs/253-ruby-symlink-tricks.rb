# expect: ok "contained: links left"
# after: host-file-intact; links that the job leaves are followed by nobody
# modes: program
# threat: Filesystem and information
# check: files=
%w[/etc/passwd /proc/1/environ /proc/self/mem /dev/zero ../../etc/passwd].each_with_index do |target, n|
  File.symlink(target, "link#{n}")
end
File.link("link0", "hard") rescue nil
Dir.mkdir("folder")
puts '@output "contained: links left"'
