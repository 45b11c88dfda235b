#!/bin/sh
# Copies files into a new root together with every shared library and loader that they need.
# usage: closure.sh ROOT FILE...
# Paths stay what they were: links are copied as links, and so is what they point to.
set -eu

root=$1
shift

copy() {
    folder=$(realpath "$(dirname "$1")")
    path=$folder/$(basename "$1")
    if [ -e "$root$path" ] || [ -L "$root$path" ]; then return; fi
    mkdir -p "$root$folder"
    cp --no-dereference --preserve=mode,timestamps "$path" "$root$path"
    if [ -L "$path" ]; then copy "$folder/$(readlink "$path")"; fi
}

# The libraries that the loader would take for one file; a missing one ends the build.
needed_by() {
    case $(ldd "$1" 2>&1) in
    *'not a dynamic executable'* | *'statically linked'*) return ;;
    *'not found'*) echo "closure.sh: a library of $1 is missing" >&2; exit 1 ;;
    esac
    ldd "$1" | sed -n 's/^\(.* => \)\{0,1\}[[:space:]]*\(\/[^ ]*\) (0x[0-9a-f]*)$/\2/p'
}

# /lib and /lib64 are links into /usr, and the loader's name in every binary goes through them.
mkdir -p "$root"
for link in /lib /lib64; do
    if [ -L "$link" ]; then cp --no-dereference "$link" "$root$link"; fi
done

for file in "$@"; do
    libraries=$(needed_by "$file")
    copy "$file"
    for library in $libraries; do copy "$library"; done
done
