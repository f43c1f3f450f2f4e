#!/bin/sh
# Starts PostgreSQL on the private network of a compose project; makes the cluster, the user and the
# database on the first start. Connections are trusted: nothing outside that network reaches it.
set -eu

: "${PGDATA:?}" "${POSTGRES_USER:?}" "${POSTGRES_DB:?}"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # The whole cluster is made beside its place and moved in when it is complete, so that a
    # container killed during its first start does not leave a half-made one.
    fresh="$PGDATA/.fresh"
    rm -rf "$fresh"
    initdb --pgdata="$fresh" --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 \
        --auth=trust --no-sync >/dev/null
    echo 'host all all all trust' >>"$fresh/pg_hba.conf"
    if [ "$POSTGRES_DB" != postgres ]; then
        # Single-user mode: no server to start, wait for and stop.
        printf 'CREATE DATABASE "%s" OWNER "%s";\n' "$POSTGRES_DB" "$POSTGRES_USER" |
            postgres --single -j -D "$fresh" postgres >/dev/null
    fi
    # PG_VERSION is what marks a complete cluster: it moves last.
    for entry in "$fresh"/*; do
        [ "${entry##*/}" = PG_VERSION ] || mv "$entry" "$PGDATA/"
    done
    mv "$fresh/PG_VERSION" "$PGDATA/"
    rmdir "$fresh"
fi

# dynamic_shared_memory_type=mmap keeps parallel queries out of /dev/shm, of which a container has
# 64 MiB unless told otherwise.
postgres -D "$PGDATA" \
    -c listen_addresses='*' \
    -c unix_socket_directories=/run/postgresql \
    -c dynamic_shared_memory_type=mmap \
    -c shared_buffers=64MB \
    -c max_connections=100 \
    "$@" &
server=$!
# A container stopped by SIGTERM (a task runner does not read STOPSIGNAL) closes as fast as by SIGINT.
trap 'kill -INT "$server" 2>/dev/null || true' TERM INT
status=0
wait "$server" || status=$?
# `wait` returns early when a trapped signal arrives.
while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
done
exit "$status"
