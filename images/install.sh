#!/bin/sh
# Installs Debian packages in a build stage, behind a proxy with its own authority if need be.
# usage: install.sh PACKAGE...
set -eu

export DEBIAN_FRONTEND=noninteractive
if [ -s /build/ca-bundle.crt ]; then
    echo 'Acquire::https::CAInfo "/build/ca-bundle.crt";' >/etc/apt/apt.conf.d/99ca-bundle
fi
apt-get -qq update
apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
