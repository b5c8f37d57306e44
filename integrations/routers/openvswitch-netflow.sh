#!/bin/sh
# Open vSwitch: NetFlow version 5 of a bridge, which is IPv4 only. Undone by:
# ovs-vsctl clear Bridge br0 netflow
set -eu
bridge=${1:-br0}
ovs-vsctl -- set Bridge "$bridge" netflow=@flowhound \
	-- --id=@flowhound create NetFlow 'targets="192.0.2.10:2055"' active_timeout=60
