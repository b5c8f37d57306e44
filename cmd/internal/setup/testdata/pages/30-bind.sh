# BIND: its page, and the file that goes into flowhound's configuration, as they stand. Of
# the names asked for none exists but those that are not listed.
page integrations/bind/README.md
cd /flowhound/integrations/bind
systemctl start named # as its package has it
cat >/etc/flowhound/blacklist.txt <<'END'
bad.example
198.51.100.7
2001:db8:bad::7
END
printf 'feeds:\n  - {name: ours, type: list, path: blacklist.txt, category: c2, confidence: 90}\nallow: [allow.txt]\n' | config
echo good.example >/etc/flowhound/allow.txt
mkdir /etc/bind/flowhound
cp response-policy.conf zones.conf logging.conf /etc/bind/flowhound
chgrp flowhound /etc/flowhound/*.txt
cat >/etc/bind/named.conf.options <<'END'
options {
	directory "/var/cache/bind";
	dnssec-validation no;
	forward only;
	forwarders { };
	include "/etc/bind/flowhound/response-policy.conf";
};
END
cat >>/etc/bind/named.conf.local <<'END'
include "/etc/bind/flowhound/zones.conf";
logging { include "/etc/bind/flowhound/logging.conf"; };
zone "example" { type primary; file "/etc/bind/db.example"; };
END
printf '$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n@ NS localhost.\nbad A 192.0.2.1\nother A 192.0.2.2\nworse A 192.0.2.3\nrented A 198.51.100.7\n' >/etc/bind/db.example
config <flowhound.yaml
await 'ls /var/lib/flowhound/export/policy.rpz.flowhound.rpz'
block 'install -d'
await 'dig +short other.example @127.0.0.1 | grep -qx 192.0.2.2'
await 'dig bad.example @127.0.0.1 | grep -q NXDOMAIN'
dig rented.example @127.0.0.1 | grep -q NXDOMAIN || fail "a name that leads to a listed address is answered"
block '$ dig'
sed 's/}$/, every: 1s}/' flowhound.yaml | config # the default is five minutes
echo worse.example >>/etc/flowhound/blacklist.txt # comes into the zone by itself
await 'dig worse.example @127.0.0.1 | grep -q NXDOMAIN'
