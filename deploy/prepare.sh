#!/bin/sh
# What docker compose needs and no repository may hold: keys, and your own addresses. Made once; what is there is kept,
# so run it again after an upgrade. Nobody but you may enter the folder; the containers are handed single files.
#
#   PEOPLE_URL=https://... HEARTBEAT_URL=https://... deploy/prepare.sh
set -eu
umask 022
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
cd secrets

key() {
	[ -s "$1" ] || {
		head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$1"
		echo "made deploy/secrets/$1"
	}
}

plain() { # an address as sed has to have it
	printf '%s' "$1" | sed 's/[&|\\]/\\&/g'
}

key gateway-token    # whoever sends events over HTTP
key wall-token       # whoever acknowledges alerts on the wall; the wall prints a link for those who only look
key grafana-password # of the user admin

if [ ! -s alertmanager.yml ]; then
	sed -e "s|http://people.invalid/|$(plain "${PEOPLE_URL:-http://people.invalid/}")|" \
		-e "s|http://heartbeat.invalid/|$(plain "${HEARTBEAT_URL:-http://heartbeat.invalid/}")|" \
		../alertmanager/alertmanager.yml >alertmanager.yml
	echo "made deploy/secrets/alertmanager.yml"
	[ -n "${PEOPLE_URL:-}" ] || echo "nobody is called yet: name your receivers in it, or remove it and give PEOPLE_URL"
elif [ -n "${PEOPLE_URL:-}${HEARTBEAT_URL:-}" ]; then
	echo "deploy/secrets/alertmanager.yml is there and stays as it is: name your addresses in it, or remove it first"
fi

if [ ! -s alerts/alerts.toml ]; then
	mkdir -p alerts
	cp ../notify/alerts.toml alerts/
	echo "made deploy/secrets/alerts/alerts.toml: name your sinks in it, their keys in files beside it"
fi
