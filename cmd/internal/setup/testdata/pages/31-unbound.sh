# Unbound: at first by itself, then as a secondary of BIND, as for large zones.
page integrations/unbound/README.md
cd /flowhound/integrations/unbound
systemctl stop named
config <flowhound.yaml
cp unbound.conf /etc/unbound/unbound.conf.d/flowhound.conf
printf 'remote-control:\n  control-enable: yes\nserver:\n  local-zone: other.example. static\n  local-data: "other.example. A 192.0.2.2"\n' >/etc/unbound/unbound.conf.d/own.conf
rm -f /etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf
[ -e /etc/unbound/unbound_server.key ] || unbound-control-setup >/dev/null 2>&1
await 'ls /var/lib/flowhound/export/rpz.flowhound.rpz'
block 'install -d'
await 'dig +noall +comments bad.example @127.0.0.1 | grep -q NXDOMAIN'
block '$ unbound-control'
dig +short other.example @127.0.0.1 | grep -qx 192.0.2.2
cp secondary.conf /etc/unbound/unbound.conf.d/flowhound.conf
cp primary.conf /etc/bind/named.conf
rm -rf /var/lib/unbound/flowhound /var/lib/bind/flowhound
install -d -m 0755 /var/lib/bind/flowhound
chown unbound /var/lib/unbound
systemctl restart flowhound-reload
systemctl start named
systemctl restart unbound
await 'dig bad.example @127.0.0.1 | grep -q NXDOMAIN'
systemctl stop named unbound
