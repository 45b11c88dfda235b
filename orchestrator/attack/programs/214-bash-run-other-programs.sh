# expect: ok "contained: only the shell"
# after: no-procs, slot-fresh; the shell is the only program that a shell finds in its image
# modes: program
# threat: Native code and exec
shopt -s nullglob
for program in /bin/* /sbin/* /usr/bin/* /usr/sbin/* /usr/local/bin/*; do
  [[ -x $program && $program != /usr/bin/bash && $program != /bin/bash ]] && echo "@output \"ESCAPED: $program\"" && exit
done
for name in sh dash busybox perl python3 gcc apt dpkg curl wget nc; do
  type -P "$name" >/dev/null && echo "@output \"ESCAPED: $name\"" && exit
done
echo '@output "contained: only the shell"'
