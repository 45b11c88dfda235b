#!/bin/sh
# Turns a new root into what an image may be: nothing to write to, nothing to become another user with, the same bytes
# on every build of the same packages.
# usage: finish.sh ROOT [EXTRA-PACKAGE-LINE...]
set -eu

root=$1
shift

# Which packages the files are from, and at which version: Debian's by bare name, others as ECOSYSTEM/NAME.
mkdir -p "$root/usr/share/sandbox-orch" "$root/etc"
{
    (cd "$root" && find . -type f) | sed 's/^\.//' | xargs -r dpkg-query --search 2>/dev/null |
        sed -n 's/^\([^ ,]*\): .*/\1/p' | sort -u | xargs -r dpkg-query --show --showformat '${Package} ${Version}\n'
    for line in "$@"; do echo "$line"; done
} >"$root/usr/share/sandbox-orch/packages.txt"

# Names for the two ids that everyone expects; nobody can log in, and there is nothing to log in with.
printf 'root:x:0:0:root:/:/nonexistent\nnobody:x:65534:65534:nobody:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"

# The loader's index: fewer failed look-ups at every start.
cp --preserve=mode /etc/ld.so.conf "$root/etc/"
cp --recursive /etc/ld.so.conf.d "$root/etc/"
ldconfig -r "$root"
rm -rf "$root/var" "$root/etc/ld.so.conf" "$root/etc/ld.so.conf.d"

# The mount points of the two small tmpfs. Some versions of runc give the mount their mode.
mkdir -p "$root/tmp" "$root/work"
chown -R --no-dereference 0:0 "$root"
find "$root" ! -type l -exec chmod u-s,g-s,go-w {} +
chmod 1777 "$root/tmp" "$root/work"
find "$root" -exec touch --no-dereference --date=@0 {} +
