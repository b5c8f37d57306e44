package list

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const hash = "0000000000000000000000000000000000000000000000000000000000000001"

// Lists as they are found in the wild, each in few lines of our own.
func TestDialects(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		f          Reader
		want       []string
		drops      string
	}{
		{name: "a header that names the wrong column", text: "#ip,ioc\n192.0.2.1,Possible C2 server\n192.0.2.2,Possible C2 server\n", want: []string{"192.0.2.1/32", "192.0.2.2/32"}},
		{name: "values in a column of another name", text: "Indicator_type,Data,Note\nip,192.0.2.1,c2\nsha256," + hash + ",x\nurl,bad.example/x,y\n",
			want: []string{"192.0.2.1/32 name=c2", "http://bad.example/x name=y"}, drops: "1 unsupported type (first: line 3, " + hash[:60] + ")"},
		{name: "no header, the values not in front", text: "2026-01-02,ssh,192.0.2.1\n2026-01-02,ssh,192.0.2.2\n", want: []string{"192.0.2.1/32", "192.0.2.2/32"}},
		{name: "names of ECS", text: "@timestamp,source.ip,source.port\n2026-01-02T00:00:00Z,192.0.2.1,22\n", want: []string{"192.0.2.1/32 port=22"}},
		{name: "either column", text: "ip,domain,comment\n192.0.2.1,,a\n,bad.example,b\n", want: []string{"192.0.2.1/32 name=a", "bad.example name=b"}},
		{name: "the column by its number", f: Reader{Format: CSV, Column: "2"}, text: "192.0.2.1,198.51.100.1\n192.0.2.2,198.51.100.2\n",
			want: []string{"198.51.100.1/32", "198.51.100.2/32"}},
		{name: "a type that is a category", text: "ip,type\n192.0.2.1,scanner\n192.0.2.2,botnet\n", want: []string{"192.0.2.1/32 scanner", "192.0.2.2/32 botnet"}},
		{name: "MISP's export", text: "uuid,event_id,category,type,value,comment,to_ids,date\na,1,Network activity,ip-dst,192.0.2.1,x,1,20260102\n" +
			"a,1,Network activity,ip-dst,192.0.2.2,x,0,20260102\na,1,Payload delivery,filename,invoice.pdf.exe,x,1,20260102\n" +
			"a,1,Network activity,ip-dst|port,192.0.2.3|8080,x,1,20260102\na,1,Network activity,domain|ip,bad.example|192.0.2.4,x,1,20260102\n",
			want:  []string{"192.0.2.1/32 name=x", "192.0.2.3/32 port=8080 name=x", "bad.example name=x", "192.0.2.4/32 name=x"},
			drops: "1 context, not for detection (first: line 3, 192.0.2.2), 1 unsupported type (first: line 4, invoice.pdf.exe)"},
		{name: "crowdsec's decisions", text: "id,source,ip,reason,action,country,as,events_count,expiration,simulated,alert_id\n" +
			"7,crowdsec,Ip:192.0.2.1,crowdsecurity/ssh-bf,ban,XX,64500 X,6,3h59m57.6s,false,9\n8,crowdsec,Range:192.0.2.128/25,x,ban,,,6,-5m,false,9\n9,cscli,As:64500,x,ban,,,1,3h,false,9\n",
			want: []string{"192.0.2.1/32 ends=2026-06-07T15:59:57Z", "192.0.2.128/25 ends=2026-06-07T11:55:00Z"}, drops: "1 unsupported type (first: line 4, As:64500)"},
		{name: "ends in common forms", text: "ip,expires\n192.0.2.1,2020-01-01 00:00:00+00:00\n192.0.2.2,1577836800\n192.0.2.3,2020/01/01\n192.0.2.4,never\n192.0.2.5,\n192.0.2.6,some day\n",
			want:  []string{"192.0.2.1/32 ends=2020-01-01T00:00:00Z", "192.0.2.2/32 ends=2020-01-01T00:00:00Z", "192.0.2.3/32 ends=2020-01-01T00:00:00Z", "192.0.2.4/32", "192.0.2.5/32"},
			drops: "1 expiry that cannot be read (first: line 7, some day)"},
		{name: "ranges in two columns", text: "start_ip,end_ip,org\n192.0.2.4,192.0.2.7,x\n", want: []string{"192.0.2.4/30"}},
		{name: "networks and their masks", text: "network,netmask\n192.0.2.0,255.255.255.128\n198.51.100.0,/25\n203.0.113.0,24\n", want: []string{"192.0.2.0/25", "198.51.100.0/25", "203.0.113.0/24"}},
		{name: "quotes as people write them", text: "ip,comment\n192.0.2.1,say \"hi\"\n192.0.2.2,\"a \\\"b\\\"\"\n192.0.2.3,5\" disk\n192.0.2.4,ok\n",
			want: []string{`192.0.2.1/32 name=say "hi"`, `192.0.2.2/32 name=a "b"`, `192.0.2.3/32 name=5" disk`, "192.0.2.4/32 name=ok"}},
		{name: "flags", text: "ip,active,false_positive\n192.0.2.1,1,no\n192.0.2.2,false,no\n192.0.2.3,true,yes\n",
			want: []string{"192.0.2.1/32"}, drops: "2 no longer active (first: line 3, 192.0.2.2)"},
		{name: "columns between bars", text: "# ASN | ASname | ipaddr | lastseen | category\n64500  |  EXAMPLE  |  192.0.2.1  |  2026-01-02 03:04:05  |  bruteforce\nNA  |  NA  |  2001:db8::1  |  2026-01-02 03:04:05  |  bruteforce\n",
			want: []string{"192.0.2.1/32 bruteforce last=2026-01-02", "2001:db8::1/128 bruteforce last=2026-01-02"}},

		{name: "ranges and masks with more on the line", text: "192.0.2.0 - 192.0.2.255 , 000 , Some Org\n198.51.100.0,198.51.100.255,Some Org\n203.0.113.0 255.255.255.128\n192.0.2.1-9\n",
			want: []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/25", "192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/30", "192.0.2.8/31"}},
		{name: "several on a line", text: "192.0.2.1 192.0.2.9 # both\n192.0.2.20,198.51.100.1, 203.0.113.9\n", want: []string{"192.0.2.1/32 name=both", "192.0.2.9/32 name=both", "192.0.2.20/32", "198.51.100.1/32", "203.0.113.9/32"}},
		{name: "ports", text: "192.0.2.1\t80\n192.0.2.2\t8080\n192.0.2.3|443\n192.0.2.4,22\n192.0.2.5\n", want: []string{"192.0.2.1/32 port=80", "192.0.2.2/32 port=8080", "192.0.2.3/32 port=443", "192.0.2.4/32 port=22", "192.0.2.5/32"}},
		{name: "counts without a word", text: "192.0.2.1\t3\n192.0.2.2\t7\n", want: []string{"192.0.2.1/32 score=60", "192.0.2.2/32 score=95"}},
		{name: "labels", text: "Ip: 192.0.2.1\nRange:192.0.2.0/25\nURL: http://bad.example/x\n", want: []string{"192.0.2.1/32", "192.0.2.0/25", "http://bad.example/x"}},
		{name: "adblock", text: "[Adblock Plus 2.0]\n! Title: x\n||192.0.2.1^$all\n|192.0.2.2^\n||bad.example^\n@@||good.example^\nsite.example##.ad\n/ads[0-9]/\n||x.example/path^\n||ads*.example^\n",
			want: []string{"192.0.2.1/32", "192.0.2.2/32", "bad.example"}, drops: "4 unsupported type (first: line 7, site.example##.ad), 1 said to be benign (first: line 6, @@||good.example^)"},
		{name: "dnsmasq and Unbound", text: "address=/a.example/0.0.0.0\nserver=/b.example/\nlocal-zone: \"c.example\" always_nxdomain\n", want: []string{"a.example", "b.example", "c.example"}},
		{name: "rules", text: "deny 192.0.2.1;\nDeny from 192.0.2.2\n-A INPUT -s 192.0.2.3/32 -j DROP\nadd blacklist 192.0.2.4 timeout 60\nip route 192.0.2.128 255.255.255.128 Null0\n",
			want: []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32", "192.0.2.128/25"}},
		{name: "an RPZ", text: "$TTL 60\n@ SOA localhost. root.localhost. (\n 1 3600\n 600 86400 60 )\n  NS localhost.\nbad.example CNAME .\n*.bad.example CNAME .\ngood.example CNAME rpz-passthru.\n" +
			"drop.example 60 IN CNAME rpz-drop. ; why\nwalled.example A 192.0.2.99\n24.0.2.0.192.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n32.1.2.0.192.rpz-client-ip CNAME .\n",
			want:  []string{"bad.example", "drop.example name=why", "walled.example", "192.0.2.0/24", "2001:db8::1/128"},
			drops: "1 said to be benign (first: line 8, good.example), 1 unsupported type (first: line 13, 32.1.2.0.192.rpz-client-ip)"},
		{name: "an RPZ with its origin", text: "$ORIGIN rpz.example.\n@ IN SOA ns.example. h.example. 1 2 3 4 5\nbad.example.rpz.example. IN CNAME .\n", want: []string{"bad.example"}},
		{name: "AlienVault's reputation", text: "192.0.2.1#4#2#Malicious Host#US#City#1.0,2.0#3\n192.0.2.2#4#2#Scanning Host#US##1.0,2.0#3\n",
			want: []string{"192.0.2.1/32 name=4#2#Malicious Host#US#City#1.0,2.0#3", "192.0.2.2/32 name=4#2#Scanning Host#US##1.0,2.0#3"}},
		{name: "UTF-16", text: "\xff\xfe1\x009\x002\x00.\x000\x00.\x002\x00.\x001\x00", want: []string{"192.0.2.1/32"}},
		{name: "hashes are counted", text: "192.0.2.1\n" + strings.Repeat(hash+"\n", 30), want: []string{"192.0.2.1/32"}, drops: "30 file hash (first: line 2, " + hash[:60] + ")"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ingest.Options{Template: intel.Indicator{Score: 50, Name: "ours"}, Now: time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)}
			var got []string
			drops, err := tt.f.Parse(strings.NewReader(tt.text), o, func(i *intel.Indicator) ingest.Reason {
				said := brief(*i)
				said, _, _ = strings.Cut(said, " first=")
				if !i.Expires.IsZero() {
					said += " ends=" + i.Expires.Format(time.RFC3339)
				}
				got = append(got, said)
				return ""
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if s := drops.String(); s != tt.drops {
				t.Errorf("left out: %s\nwant: %s", s, tt.drops)
			}
		})
	}
}
