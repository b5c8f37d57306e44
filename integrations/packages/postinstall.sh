#!/bin/sh
# After the files: systemd and the kernel hear of them. A flowhound that runs goes
# on as the new one; a first one waits for its configuration. The folder of exports
# lies in flowhound's own, where that user makes it and root follows no path.
set -e
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
(cd / && su -s /bin/sh flowhound -c '[ -d /var/lib/flowhound/export ] || mkdir -m 0755 /var/lib/flowhound/export')
sysctl -q -p /usr/lib/sysctl.d/60-flowhound.conf 2>/dev/null || true
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart flowhound.service
fi
# dpkg says "configure" and the old version, rpm how many versions there are now.
if [ "$1" = configure ] && [ -z "$2" ] || [ "$1" = 1 ]; then
	start="systemctl enable --now flowhound"
	if [ ! -d /run/systemd/system ]; then
		start="install -d -m 0700 -o flowhound -g flowhound /run/flowhound; su -s /bin/sh flowhound -c 'exec flowhound run' >/dev/null 2>&1 &"
	fi
	cat <<END
flowhound is installed. Put feeds into /etc/flowhound/flowhound.yaml, then:
  $start
  flowhound install        # wires it into the OSSEC or Wazuh of this host
  flowhound doctor
END
fi
