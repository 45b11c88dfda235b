# expect: ok "contained: none"
# after: daemon-ok; no engine's socket is in sight
# modes: program
# threat: Filesystem and information
shopt -s globstar nullglob dotglob
for path in /run/** /var/run/** /var/lib/docker* /*.sock /tmp/*.sock; do
  [[ -S $path || $path == *docker* || $path == *containerd* ]] && echo "@output \"ESCAPED: $path\"" && exit
done
echo '@output "contained: none"'
