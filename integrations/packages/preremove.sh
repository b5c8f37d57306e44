#!/bin/sh
# Before the files go, not before they are replaced: nothing must run on them or
# read what they wrote.
set -e
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
case $1 in
remove | purge | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --quiet --now flowhound.service flowhound-reload.path || true
	fi
	if [ -d /var/ossec ]; then
		flowhound uninstall || echo "flowhound: OSSEC or Wazuh was not changed"
	fi
	;;
esac
