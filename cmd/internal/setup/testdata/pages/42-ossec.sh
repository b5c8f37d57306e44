# OSSEC's page, where there is one.
page integrations/ossec/README.md
if [ -d "${OSSEC:-}" ]; then
	cd /flowhound/integrations/ossec
	config <flowhound.yaml
	await 'ls /var/lib/flowhound/export/flowhound.ossec'
	await '! systemctl is-active flowhound-reload | grep activating' # which has no folder to write to
	block 'install -d'
	grep -q '^198.51.100.7:c2,ours' /var/ossec/lists/flowhound || fail "the list is not there"
	block '$ tail'
	sed -n '/<list>/p' rules.xml | sed -i '/<include>named_rules.xml/r /dev/stdin' /var/ossec/etc/ossec.conf
	cp list_rules.xml /var/ossec/rules/local_rules.xml
	text 'Nov 24 03:53:14' >login
	head -n 1 login | /var/ossec/bin/ossec-logtest >said 2>&1 || fail "$(cat said)"
	sed 1d login | sed 's/^ *//' | while read -r want; do grep -qF "$want" said || fail "$want: $(cat said)"; done
else
	echo "SKIP: no OSSEC is on this host (FLOWHOUND_OSSEC_LOGTEST)"
fi
