#!/bin/sh
# Before the files of the package: the user that owns some of them.
set -e
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if ! getent passwd flowhound >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/flowhound --no-create-home --shell /usr/sbin/nologin flowhound
fi
