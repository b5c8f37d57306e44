# plugin/OUTPUTS.md: the hit in a file of rsyslog's, which has a certificate of its own. The
# address of the example is this machine; no Elasticsearch is here, so that output is not.
page plugin/OUTPUTS.md
cd /tmp/reader
text 'outputs:' >outputs.yaml
openssl req -x509 -newkey rsa:2048 -nodes -keyout siem.key -out siem.pem -days 2 -subj /CN=siem.example -addext subjectAltName=DNS:siem.example 2>/dev/null
cat siem.pem >>/etc/ssl/certs/ca-certificates.crt
echo 127.0.0.1 siem.example >>/etc/hosts
cat >/etc/rsyslog.d/siem.conf <<'END'
global(DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="/tmp/reader/siem.pem" DefaultNetstreamDriverCertFile="/tmp/reader/siem.pem" DefaultNetstreamDriverKeyFile="/tmp/reader/siem.key")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="whole" type="string" string="%rawmsg%\n")
ruleset(name="siem") { action(type="omfile" file="/var/log/siem.log" template="whole") }
input(type="imtcp" port="6514" ruleset="siem")
END
systemctl start rsyslog
echo key >/etc/flowhound/elastic.key
chgrp flowhound /etc/flowhound/elastic.key
chmod 0640 /etc/flowhound/elastic.key
grep -v 'name: search' outputs.yaml | config
await 'flowhound output list | grep -q "siem .* ok "'
flow 10.1.2.5 198.51.100.7
await 'grep "CEF:0|.*src=10.1.2.5 " /var/log/siem.log'
await 'grep 10.1.2.5 /tmp/chat.log'
flowhound output test siem
systemctl stop rsyslog
config <outputs.yaml # as it stands: the third is down, the others are not
await 'flowhound output list | grep -q "search .* down "'
printf 'outputs: []\n' | config
