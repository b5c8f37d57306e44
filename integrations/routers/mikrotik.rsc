# MikroTik RouterOS 7: NetFlow version 9 of what passes the inside interface,
# received and sent. Change bridge to yours; several are bridge,vlan10.
# Paste into a terminal, or: /import file-name=mikrotik.rsc
/ip traffic-flow set enabled=yes interfaces=bridge cache-entries=64k active-flow-timeout=1m inactive-flow-timeout=15s
/ip traffic-flow target add dst-address=192.0.2.10 port=2055 version=9 v9-template-refresh=20 v9-template-timeout=1m
