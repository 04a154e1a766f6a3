# A throwaway PostgreSQL cluster that ends with its caller: run by postgres.rs as `sh -c THIS pg BIN PORT PASSWORD [MOST]`,
# as a user PostgreSQL accepts. It says `ready` on stdout and then waits for the end of its stdin, which comes when the
# test process ends in any way at all.
set -eu
bin=$1 port=$2 password=$3 most=${4:-200}
dir=$(mktemp -d "${TMPDIR:-/tmp}/skitai-postgres.XXXXXX")
cd "$dir"
server=
finish() {
    trap - EXIT INT TERM HUP
    if [ -n "$server" ]; then
        kill -QUIT "$server" 2>/dev/null || :
        wait "$server" || :
    fi
    cd /
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

printf '%s' "$password" >password
"$bin/initdb" -D data -U skitai -A scram-sha-256 --pwfile=password -E UTF8 --locale=C -N >log 2>&1 || {
    cat log >&2
    exit 1
}
# Nothing of it is to survive a crash, so nothing is synced.
"$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections="$most" \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off >>log 2>&1 </dev/null &
server=$!
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    kill -0 "$server" 2>/dev/null || {
        cat log >&2
        exit 1
    }
    sleep 0.05
done
echo ready
cat >/dev/null
