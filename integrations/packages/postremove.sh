#!/bin/sh
# After the files: a purge takes the data and the user along. What flowhound's user
# has in its folders goes as that user: root must not follow a path there.
set -e
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ] && [ "$(cat /proc/sys/net/core/rmem_max 2>/dev/null)" = 67108864 ]; then
	echo "flowhound: net.core.rmem_max stays 67108864 until the next boot; Linux has 212992 by itself: sysctl -w net.core.rmem_max=212992"
fi
if [ "$1" = 0 ]; then # rpm, which has no purge
	echo "flowhound: kept /var/lib/flowhound, /var/log/flowhound, what was changed in /etc/flowhound, and the user flowhound"
	echo "flowhound: to remove them too: rm -rf /var/lib/flowhound /var/log/flowhound /etc/flowhound; userdel flowhound"
fi
if [ "$1" = purge ]; then
	if getent passwd flowhound >/dev/null; then
		(cd / && su -s /bin/sh flowhound -c 'find /var/lib/flowhound /var/log/flowhound -mindepth 1 -delete' 2>/dev/null) || true
	fi
	rm -rf /var/lib/flowhound /var/log/flowhound /etc/flowhound
	if getent passwd flowhound >/dev/null; then
		userdel flowhound
	fi
fi
