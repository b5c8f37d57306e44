# A machine without an init: its user runs flowhound.
page integrations/openrc/README.md
systemctl disable -q --now flowhound
rm -rf /run/flowhound
block 'install -d'
await 'flowhound status --json'
was=$(grep -c status=reloaded /var/log/flowhound/alerts.log || true)
block "su -s /bin/sh flowhound -c 'kill"
await "[ \$(grep -c status=reloaded /var/log/flowhound/alerts.log) -gt $was ] && tail -n 1 /var/log/flowhound/alerts.log | grep -q status=stopped"
cd /flowhound
./install.sh --uninstall --purge
for left in /etc/flowhound /var/lib/flowhound /var/log/flowhound /run/flowhound /usr/local/bin/flowhound /etc/systemd/system/flowhound.service; do
	[ ! -e "$left" ] || fail "$left is left"
done
