#!/usr/bin/env bash
# Builds Telegraf with an MQTT input and an InfluxDB output: the peer that `python -m bench.telegraf` compares with.
# Prints the path of the binary; builds nothing when it is already there. Needs Go >= 1.25.
#
#   telegraf.sh [DIR]        default DIR: $HOME/.cache/waystation
set -euo pipefail

VERSION=v1.37.2
DIR=${1:-$HOME/.cache/waystation}
OUT=$DIR/telegraf-$VERSION
PLUGINS=custom,inputs.mqtt_consumer,outputs.influxdb_v2,outputs.file,parsers.json,parsers.json_v2

if [ -x "$OUT" ]; then echo "$OUT"; exit 0; fi
command -v go >/dev/null || { echo "telegraf.sh: Go is not installed" >&2; exit 1; }
BUILD=$(mktemp -d)
trap 'rm -rf "$BUILD"' EXIT
mkdir -p "$DIR"
GOBIN=$BUILD go install -tags "$PLUGINS" "github.com/influxdata/telegraf/cmd/telegraf@$VERSION" >&2
mv "$BUILD/telegraf" "$OUT"
echo "$OUT"
