#!/bin/sh
# Open vSwitch: IPFIX of a bridge, IPv4 and IPv6, every packet. Undone by:
# ovs-vsctl clear Bridge br0 ipfix
set -eu
bridge=${1:-br0}
ovs-vsctl -- set Bridge "$bridge" ipfix=@flowhound \
	-- --id=@flowhound create IPFIX 'targets="192.0.2.10:2055"' sampling=1 obs_domain_id=1 obs_point_id=1 cache_active_timeout=60 cache_max_flows=65536
