# Further exports: the index's examples, and those of tools that no package brings; files are
# what they read.
page integrations/README.md
printf '#!/bin/sh\ndate >/var/lib/flowhound/export/rebuilt\n' >/usr/local/bin/rebuild-sets
chmod +x /usr/local/bin/rebuild-sets
text 'exports:' | config
await 'ls /var/lib/flowhound/export/rebuilt'
grep -qx 198.51.100.7 /var/lib/flowhound/export/flowhound.set.txt

page integrations/systemd/README.md
block 'systemctl enable'
text 'exports:' >both
sed -n '1,/^$/p' both | config
await 'journalctl -q -u flowhound-reload | grep -q "bad.nft: loaded"'
systemctl status flowhound --no-pager | grep -q 'active (running)'
# What the path overlooks the timer finds, here within two seconds.
systemctl is-active flowhound-reload.timer
systemctl stop flowhound-reload.path
! systemctl is-active flowhound-reload.timer || fail 'the timer outlives its path'
mkdir -p /run/systemd/system/flowhound-reload.timer.d
printf '[Timer]\nOnActiveSec=2\nOnUnitInactiveSec=2\n' >/run/systemd/system/flowhound-reload.timer.d/soon.conf
systemctl daemon-reload
systemctl start flowhound-reload.timer
rm /run/flowhound-reload/bad.nft
await '[ $(journalctl -q -u flowhound-reload | grep -c "bad.nft: loaded") -ge 2 ]'
systemctl start flowhound-reload.path

cat >/usr/local/bin/rwsetbuild <<'END'
#!/bin/sh
grep -qx 198.51.100.7 "$1" && cp "$1" "$2"
END
chmod +x /usr/local/bin/rwsetbuild
config </flowhound/integrations/silk/flowhound.yaml
await 'ls /var/lib/flowhound/export/flowhound.set'
config </flowhound/integrations/zeek/flowhound.yaml
await 'grep -q "^198.51.100.7	Intel::ADDR" /var/lib/flowhound/export/zeek.intel'
cat >/usr/local/bin/suricatasc <<'END'
#!/bin/sh
echo "$@" >>/tmp/suricatasc.said # not /tmp of the unit's own
END
chmod +x /usr/local/bin/suricatasc
config </flowhound/integrations/suricata/flowhound.yaml
await 'journalctl -q -u flowhound-reload | grep -q "suricata.list: loaded"'
grep -q '^198.51.100.7,' /var/lib/flowhound/export/suricata.list
flowhound status | grep -A9 ^EXPORT
