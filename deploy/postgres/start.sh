#!/bin/sh
# Makes the cluster and the database on the first start, then is the server.
# POSTGRES_PASSWORD is that of the user `sandbox_orch`; who knows it may do everything in that database.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?must be set}"
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    initdb --username=sandbox_orch --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE sandbox_orch;" | postgres --single -j postgres >/dev/null
fi
unset POSTGRES_PASSWORD
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
