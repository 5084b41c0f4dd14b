#!/bin/sh
# Runs Mosquitto in the folder that `waystation credential mosquitto` filled, where a copy of this file lies,
# and tells it when the files there change: so a password that was taken back is refused within two seconds,
# also in a container. SIGTERM and Ctrl-C end it in order.
set -eu
folder=${1:-$(dirname "$0")}
# Where Debian keeps it, and a user does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin

refuse() {
    echo "$1" >&2
    exit 2
}

cd "$folder" 2>/dev/null || refuse "There is no folder $folder that could be entered."
[ -e hub.passwords ] || refuse "Nobody may come in at $folder yet: run ./waystation credential mosquitto first."
command -v mosquitto >/dev/null || refuse "The program mosquitto is missing: install Mosquitto 2."
umask 077

state() { cksum stations.passwords stations.acl hub.passwords hub.acl server.pem 2>/dev/null || true; }

# Hands on what it says, and remembers whether it could not read its store.
listen() {
    while IFS= read -r line; do
        printf '%s\n' "$line" >&2
        case $line in *"Couldn't open database"*) : >unreadable ;; esac
    done
}

broker= ended=
trap 'ended=yes; [ -z "$broker" ] || kill -TERM "$broker" 2>/dev/null || true' TERM INT HUP
while [ -z "$ended" ]; do
    rm -f unreadable words
    mkfifo words
    listen <words &
    listener=$!
    known=$(state)
    mosquitto -c mosquitto.conf 2>words &
    broker=$!
    while kill -0 "$broker" 2>/dev/null; do
        sleep 2 &
        wait $! || true
        now=$(state)
        if [ "$now" != "$known" ]; then
            known=$now
            kill -HUP "$broker" 2>/dev/null || true
        fi
    done
    code=0
    wait "$broker" || code=$?
    wait "$listener" || true
    rm -f words
    # A disk that was full leaves half a store, and Mosquitto refuses to start on it.
    [ -e unreadable ] || exit "$code"
    mv data/mosquitto.db data/mosquitto.db.unreadable
    echo "The store could not be read; it is kept as data/mosquitto.db.unreadable. Starting without it." >&2
done
