# README.md from its first command to the message in the chat. The Internet is this machine:
# the project's repository is a copy of the release, the lists' servers and the chat are one
# program, and the router is a few bytes.
page README.md
mkdir /tmp/reader
cd /tmp/reader
cat >/usr/local/sbin/go <<'END'
#!/bin/sh
[ "$1 $2" = "run ./cmd/flowhound" ] && shift 2 && exec /flowhound/bin/flowhound "$@"
END
cat >/usr/local/sbin/git <<'END'
#!/bin/sh
[ "$1" = clone ] && cp -r /flowhound "$(basename "$2")"
END
chmod +x /usr/local/sbin/go /usr/local/sbin/git
block 'go run ./cmd/flowhound demo' >demo.out
grep -q '^critical ' demo.out || fail "$(cat demo.out)"
echo 198.51.100.61 >bad.txt
cp /flowhound/pages/router.pcap .
block 'go run ./cmd/flowhound replay' >replay.out
grep -q ' hit kind=new .* ioc=198.51.100.61 ' replay.out || fail "$(cat replay.out)"

cat >internet.py <<'END'
import http.server, json, ssl, sys
class All(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {'www.spamhaus.org': lambda: '\n'.join(json.dumps(x) for x in (
                    {'cidr': '203.0.113.0/24', 'sblid': 'SBL1', 'rir': 'none'}, {'type': 'metadata', 'timestamp': 1795485194, 'records': 1})) + '\n',
                'feodotracker.abuse.ch': lambda: json.dumps([{'ip_address': '198.51.100.7', 'port': 443, 'status': 'online', 'hostname': None, 'as_number': 64500,
                    'as_name': 'X', 'country': 'NL', 'first_seen': '2026-01-01 00:00:00', 'last_online': '2026-11-28', 'malware': 'Emotet'}])}[self.headers['Host']]().encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        open('/tmp/chat.log', 'ab').write(body + b'\n')
        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('127.0.0.1', 443), All)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('cert.pem', 'key.pem')
s.socket = tls.wrap_socket(s.socket, server_side=True)
s.serve_forever()
END
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=internet \
	-addext subjectAltName=DNS:www.spamhaus.org,DNS:feodotracker.abuse.ch,DNS:hooks.slack.com 2>/dev/null
cat cert.pem >>/etc/ssl/certs/ca-certificates.crt
echo '127.0.0.1 www.spamhaus.org feodotracker.abuse.ch hooks.slack.com' >>/etc/hosts
systemd-run -q --unit internet --working-directory=/tmp/reader python3 internet.py
await 'curl -sf -o /dev/null https://www.spamhaus.org/'

if [ -d "${OSSEC:-}" ]; then # a real one
	mkdir -p /var/empty
	ln -sfn "$OSSEC" /var/ossec
	rm -f "$OSSEC"/var/run/*.pid
	printf 'DIRECTORY="%s"\n' "$OSSEC" >/etc/ossec-init.conf
	sed -i 's:<email_notification>yes:<email_notification>no:' "$OSSEC/etc/ossec.conf"
	"$OSSEC/bin/ossec-control" start >/dev/null
fi

block 'git clone'
systemctl is-active -q flowhound || fail "the service does not run"
block 'sudo flowhound feed add'
await 'flowhound feed list | grep -q "spamhaus-drop .* ok " && flowhound feed list | grep -q "feodo .* ok " && flowhound lookup 198.51.100.7'
flow 10.1.2.3 198.51.100.7 # in place of the router
await 'grep -E " hit kind=(new|retro) .* src=10.1.2.3 .* dst=198.51.100.7 " /var/log/flowhound/alerts.log'
block 'sudo flowhound test' | tee test.out
grep -q '✓ .* written to /var/log/flowhound/alerts.log' test.out || fail "it did not come to the log"

found 'sudo install'
head -n 1 "/flowhound/blocks/$n" >slack.sh
sed 1d "/flowhound/blocks/$n" >slack.yaml
echo https://hooks.slack.com/services/T0/B0/x | sh -ec "$(cat slack.sh)"
config <slack.yaml
await 'flowhound output list | grep -q "chat .* ok "'
sudo flowhound test | tee test.out
grep -q '✓ .* delivered to output chat' test.out || fail "it did not come to the chat"
grep -q 'TEST: planted by flowhound test' /tmp/chat.log || fail "$(cat /tmp/chat.log)"
if [ -d "${OSSEC:-}" ]; then
	grep -q '✓ .* raised as an alert: .*/logs/alerts/alerts.log' test.out || fail "OSSEC raised nothing"
	flowhound doctor | grep 'OSSEC decodes a line, which reaches rule 100920'
else
	echo "SKIP: OSSEC's alert: no OSSEC is on this host (FLOWHOUND_OSSEC_LOGTEST)"
fi
flow 10.1.2.4 198.51.100.7
await 'grep 10.1.2.4 /tmp/chat.log'
for command in 'hits' 'lookup 198.51.100.7' 'top --fields sip,dport --last 24h'; do
	grep -q "\`flowhound $command\`" /flowhound/README.md || fail "README no longer says flowhound $command"
	flowhound $command >said || fail "flowhound $command: $(cat said)"
done
curl -sf http://127.0.0.1:8055/ | grep -q '<title>' || fail "no pages"
