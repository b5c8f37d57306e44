#!/bin/sh
# OPNsense: NetFlow version 9 of what passes LAN, IPv4 and IPv6, in and out. The
# same as Reporting, NetFlow. Run it anywhere, with a key made under System, Access,
# Users, whose file holds KEY:SECRET; change firewall.example and lan to yours.
# What it sets replaces the settings there.
set -eu
firewall=https://firewall.example
key=${1:?the file with KEY:SECRET}

ask() {
	printf 'user = "%s"\n' "$(cat "$key")" |
		curl --fail --silent --show-error --config - --header 'Content-Type: application/json' --data "$2" "$firewall/api/diagnostics/netflow/$1"
	echo
}

ask setconfig '{"netflow": {
	"capture": {"interfaces": "lan", "egress_only": "", "version": "v9", "targets": "192.0.2.10:2055"},
	"collect": {"enable": "0"}, "activeTimeout": "60", "inactiveTimeout": "15"}}'
ask reconfigure '{}'
