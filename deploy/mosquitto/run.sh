#!/bin/sh
# Runs Mosquitto in the folder that `waystation credential mosquitto` filled, and tells it when the files
# there change: so a password that was taken back is refused within two seconds, also in a container.
set -eu
folder=${1:?usage: run.sh FOLDER}
cd "$folder"
umask 077
mkdir -p data
# After a full disk Mosquitto refuses to start on the half of a store that it wrote: put it aside.
if [ -e broken ]; then
    rm -f broken
    if [ -e data/mosquitto.db ]; then
        mv data/mosquitto.db data/mosquitto.db.broken
        echo "The store could not be read; it is kept as data/mosquitto.db.broken." >&2
    fi
fi

state() { cksum stations.passwords stations.acl hub.passwords hub.acl server.pem 2>/dev/null || true; }

mosquitto -c "${MOSQUITTO_CONF:-mosquitto.conf}" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null || true' TERM INT HUP
began=$(date +%s)
known=$(state)
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
# It ended at once, with an error: the likely cause is its store.
if [ "$code" -ne 0 ] && [ "$code" -lt 128 ] && [ $(($(date +%s) - began)) -lt 5 ] && [ -s data/mosquitto.db ]; then
    : >broken
fi
exit "$code"
