#!/bin/sh
# After the files: a purge takes the data and the user along.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/flowhound /var/log/flowhound /etc/flowhound
	if getent passwd flowhound >/dev/null; then
		userdel flowhound
	fi
fi
