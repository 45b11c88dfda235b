# What shell scripts do on an ordinary day, without any other program.
set -eEuo pipefail
trap 'echo "failed at line $LINENO" >&2' ERR

# variables, arrays, arithmetic, patterns, printf
declare -A map=([one]=1 [two]=2)
list=(c a b)
[[ ${map[two]} == 2 && ${#list[@]} == 3 && ${list[-1]} == b ]]
text="héllo world"
[[ ${#text} == 11 && ${text^^} == "HÉLLO WORLD" && ${text/world/you} == "héllo you" && $text =~ w(o)r && ${BASH_REMATCH[1]} == o ]]
printf -v padded '%05d|%-4s|%x' 42 ab 255
[[ $padded == "00042|ab  |ff" ]]
(( (1 << 10) + 7 % 4 == 1027 ))
case $text in h*d) ;; *) false ;; esac
printf -v today '%(%Y)T' 0
[[ $today == 1970 ]]

# files, redirections, here documents, here strings
printf 'one\ntwo\nthree\n' >lines
mapfile -t lines <lines
[[ ${lines[1]} == two && -s lines && ! -x lines ]]
while read -r number line; do last=$line; done <<END
1 first
2 second
END
[[ $last == second && $(<lines) == $'one\ntwo\nthree' ]]
read -r first rest <<<"a b c"
[[ $rest == "b c" ]]
exec 7<>lines
read -r -u 7 line
exec 7>&-
[[ $line == one ]]
printf 'x%.0s' {1..100000} >many
[[ $(<many) == x*x ]]
shopt -s nullglob
files=(*)
[[ ${files[*]} == "lines main.sh many" ]]

# subshells, pipes, process substitution, background jobs, coprocesses
answer=$(printf 'a\nb\n' | while read -r one; do printf '%s.' "$one"; done)
[[ $answer == a.b. ]]
mapfile -t both < <(printf '%s\n' x y)
[[ ${both[*]} == "x y" ]]
(exit 7) && false || [[ $? == 7 ]]
for n in 1 2 3; do (exit "$n") & children[n]=$!; done
for n in 1 2 3; do wait "${children[n]}" && false || [[ $? == "$n" ]]; done
coproc echoing { while read -r one; do echo "<$one>"; done; }
echo hello >&"${echoing[1]}"
read -r heard <&"${echoing[0]}"
[[ $heard == "<hello>" ]]
child=$echoing_PID  # unset as soon as the shell hears of its end
kill "$child"
wait "$child" || [[ $? == 143 ]]

# signals, timeouts, limits, traps
caught=no
trap 'caught=yes' USR1
kill -USR1 $$
[[ $caught == yes ]]
read -r -t 0.01 <> <(:) || true
[[ $(ulimit -n) -ge 32 && $(trap 'echo bye' EXIT) == bye ]]
kill -0 $$
TIMEFORMAT=%R
[[ $({ time :; } 2>&1) == 0.* ]]
[[ $HOME == /work && $PWD == /work && $0 == main.sh ]]
echo "all right"
