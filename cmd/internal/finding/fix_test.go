package finding

import "testing"

func TestSteps(t *testing.T) {
	for fix, want := range map[string][3]string{
		"":                                {},
		"flowhound feed list":             {"", "flowhound feed list", ""},
		"df -h; ls -l /var/log":           {"", "df -h; ls -l /var/log", ""},
		"/var/ossec/bin/wazuh-logtest -t": {"", "/var/ossec/bin/wazuh-logtest -t", ""},
		"check that they are up and still export to this host":                      {"check that they are up and still export to this host", "", ""},
		"install an OSSEC or Wazuh agent, or add an output (flowhound output list)": {"install an OSSEC or Wazuh agent, or add an output (flowhound output list)", "", ""},
		"install -d -o flowhound -g flowhound /x":                                   {"", "install -d -o flowhound -g flowhound /x", ""},
		"start flowhound, then restart ossec":                                       {"start flowhound, then restart ossec", "", ""},
		"sysctl -w net.core.rmem_max=67108864, then restart flowhound":              {"", "sysctl -w net.core.rmem_max=67108864", "then restart flowhound"},
		"point a router at this host, then: tcpdump -ni any udp port 2055":          {"point a router at this host, then", "tcpdump -ni any udp port 2055", ""},
		"make exporters send their templates every minute; check the disk: dmesg | tail": {
			"make exporters send their templates every minute; check the disk", "dmesg | tail", ""},
		"flowhound feed update otx (and see whether this host reaches the server)": {
			"", "flowhound feed update otx", "and see whether this host reaches the server"},
		"run: flowhound feed update otx":                          {"run", "flowhound feed update otx", ""},
		"run install.sh again: it lets the service write to /etc": {"run install.sh again: it lets the service write to /etc", "", ""},
		"set path: /var/lib/flowhound/export/x, and: sudo systemctl enable --now flowhound-reload.path, which hands it on as root": {
			"set path: /var/lib/flowhound/export/x, and", "sudo systemctl enable --now flowhound-reload.path", "which hands it on as root"},
		"dig -x ADDRESS @RESOLVER; see hosts.resolvers": {"", "dig -x ADDRESS @RESOLVER", "see hosts.resolvers"},
		"flowhound's user may not read it":              {"flowhound's user may not read it", "", ""},
	} {
		f := Finding{Fix: fix}
		if advice, run, then := f.Steps(); [3]string{advice, run, then} != want {
			t.Errorf("%q: %q, %q, %q", fix, advice, run, then)
		}
	}
}
