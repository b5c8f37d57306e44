package list

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// role is what a column is for.
type role uint8

const (
	category role = iota
	score
	ref
	name
	tags
	port
	firstSeen
	lastSeen
	expires
	kind     // what sort of thing the indicator is: see kindOf
	toIDs    // MISP's: 0 is no indicator
	active   // 0 is over
	inactive // 1 is over
	rangeEnd // with the value as its first address
	netmask  // of the value: 255.255.255.0, or 24
	numRoles
)

// The names of columns in the lists that people have, as ingest.Word writes them,
// the best first. What a header calls an indicator is only a hint: see values.
var (
	valueNames = []string{"indicator", "ioc", "ioc_value", "indicator_value", "ip", "ip_address", "ipaddress", "ipaddr", "ipv4", "ipv6", "address", "addr",
		"dst_ip", "dstip", "dest_ip", "destination_ip", "src_ip", "srcip", "source_ip", "attacker", "network", "cidr", "prefix", "subnet", "netblock", "range",
		"observable", "value", "data", "domain", "domain_name", "hostname", "fqdn", "host", "url", "uri",
		"start", "start_ip", "startip", "first_ip", "ip_start", "ip_from", "from_ip", "begin", "range_start", "first", "low"}
	roleNames = [numRoles][]string{
		category:  {"category", "threat_type", "threat", "classification", "attack_type"},
		score:     {"confidence", "confidence_level", "score"},
		ref:       {"reference", "ref", "link", "urlhaus_link", "permalink", "source_url"},
		name:      {"name", "comment", "description", "title", "malware_printable", "malware", "malware_family", "note", "notes"},
		tags:      {"tags", "tag", "labels"},
		port:      {"port", "dst_port", "dstport", "dest_port", "destination_port"},
		firstSeen: {"first_seen", "first_seen_utc", "firstseen", "dateadded", "date_added", "created", "created_at"},
		lastSeen:  {"last_seen", "last_seen_utc", "lastseen", "last_online", "updated", "modified", "updated_at", "lastseen_utc"},
		expires:   {"expires", "expiration", "valid_until", "expiry", "expires_at", "expire", "until", "ttl", "expiration_date", "end_date"},
		kind:      {"type", "indicator_type", "ioc_type", "observable_type", "data_type", "kind", "attribute_type"},
		toIDs:     {"to_ids", "toids", "ids"},
		active:    {"active", "is_active", "enabled", "valid"},
		inactive:  {"deleted", "revoked", "false_positive", "is_false_positive", "whitelisted", "expired"},
		rangeEnd:  {"end", "end_ip", "endip", "last_ip", "ip_end", "ip_to", "to_ip", "range_end", "last", "high"},
		netmask:   {"netmask", "mask", "subnet_mask", "subnetmask", "prefix_length", "prefixlen", "prefix_len", "masklen"},
	}
)

// table is how the columns of a CSV document are read.
type table struct {
	comma   byte
	names   []string // as ingest.Word writes them, nil: there is no header
	said    []string // the same as they are written
	inFirst bool     // the header is the first line, and no comment before it
	values  []int    // columns with the indicator, the best first: one that is empty gives way to the next
	role    [numRoles]int
	hits    int // records of the sample in which a value was found
	rows    int // of how many

	lastKind string // neighbours mostly have the same
	lastIs   what
}

// kindOf is the function kindOf, which remembers its last answer.
func (t *table) kindOf(text string) what {
	if text != t.lastKind {
		t.lastKind, t.lastIs = text, kindOf(text)
	}
	return t.lastIs
}

// commas are what stands between columns; the order decides where several fit.
const commas = ",;\t|"

// look tells from a sample how the columns of the list are divided and which of
// them holds the indicators, or nil where there are no columns.
func look(s *source, f Reader) *table {
	var best *table
	for _, comma := range []byte(commas) {
		if t := lookFor(comma, s, f); t != nil && (best == nil || t.hits > best.hits) {
			best = t
		}
	}
	return best
}

// lookFor is look for one sign between columns.
func lookFor(comma byte, s *source, f Reader) *table {
	var rows [][]string
	for _, l := range s.ahead {
		fields, _ := ingest.Split(l.raw, comma, nil)
		rows = append(rows, fields)
	}
	width := usualWidth(rows)
	if len(rows) > 0 && knownNames(rows[0]) > 1 {
		width = len(rows[0]) // records may be ragged
	}
	if width < 2 && (f.Format != CSV || width == 0) {
		return nil
	}
	t := &table{comma: comma}
	for i := range t.role {
		t.role[i] = -1
	}
	if len(rows) > 0 && isHeader(rows, width) {
		t.setNames(rows[0])
		t.inFirst, rows = true, rows[1:]
	} else {
		for _, c := range s.comments {
			fields, _ := ingest.Split(strings.TrimLeft(c, "#;! \t"), comma, nil)
			if len(fields) == width && isHeader([][]string{fields}, width) {
				t.setNames(fields)
			}
		}
	}
	t.findValues(rows, width, f.Column)
	return t
}

// usualWidth returns how many fields most rows have, 0 where they agree on nothing.
func usualWidth(rows [][]string) int {
	counts := map[int]int{}
	for _, r := range rows {
		counts[len(r)]++
	}
	width := 0
	for n, count := range counts {
		if count > counts[width] || count == counts[width] && n > width {
			width = n
		}
	}
	if counts[width]*2 < len(rows) {
		return 0
	}
	return width
}

// isHeader reports whether the first row names columns: it holds no address and no
// URL, and a name that is known, or no observable at all where the rows below it
// have one.
func isHeader(rows [][]string, width int) bool {
	first := rows[0]
	if len(first) != width {
		return false
	}
	known, observables := 0, 0
	for _, field := range first {
		switch look := classOf(field); {
		case look >= urlClass:
			return false
		case isName(wordOf(field)):
			known++
		case look != noClass:
			observables++
		}
	}
	if known > 0 {
		return observables == 0 || known > 1
	}
	if observables > 0 || len(rows) < 2 {
		return false
	}
	for _, field := range rows[1] {
		if classOf(field) != noClass {
			return true
		}
	}
	return false
}

// knownNames counts the fields that are names of columns.
func knownNames(fields []string) (n int) {
	for _, field := range fields {
		if isName(wordOf(field)) {
			n++
		}
	}
	return n
}

// wordOf is a column's name as the tables above have it: ECS's "source.ip" is "ip".
func wordOf(name string) string {
	word := ingest.Word(strings.Trim(name, `#"' `))
	return word[strings.LastIndexByte(word, '.')+1:]
}

func isName(word string) bool {
	return slices.Contains(valueNames, word) || slices.ContainsFunc(roleNames[:], func(names []string) bool { return slices.Contains(names, word) })
}

func (t *table) setNames(said []string) {
	t.said, t.names = slices.Clone(said), nil
	for _, s := range said {
		t.names = append(t.names, wordOf(s))
	}
	for r, wanted := range roleNames {
		t.role[r] = -1
		for _, w := range wanted {
			if at := slices.Index(t.names, w); at >= 0 {
				t.role[r] = at
				break
			}
		}
	}
}

// class is what a field looks like.
type class uint8

const (
	noClass class = iota
	nameClass
	urlClass
	addressClass
)

func classOf(field string) class {
	if _, rest, ok := ingest.CutSpan(field); ok && strings.TrimSpace(rest) == "" {
		return addressClass
	}
	var i intel.Indicator
	if ingest.Parse(field, &i) != "" {
		return noClass
	}
	switch {
	case i.Prefix.IsValid():
		return addressClass
	case i.URL != "":
		return urlClass
	}
	return nameClass
}

// findValues chooses the columns that hold indicators in at least half as many records as
// the best one does. Among them the header's word decides, then what the fields
// are, then the place. column, when set, is the only one: a name or, from 1, a number.
func (t *table) findValues(rows [][]string, width int, column string) {
	t.rows = len(rows)
	width = max(width, len(t.names))
	found, classes := make([]int, width), make([]int, width)
	for _, r := range rows {
		for at := range min(len(r), width) {
			if c := classOf(r[at]); c != noClass {
				found[at]++
				classes[at] += int(c)
			}
		}
	}
	if column != "" {
		if at := t.find(column, width); at >= 0 {
			t.values, t.hits = []int{at}, found[at]
		}
		return
	}
	most := 0
	for at := range width {
		if !t.hasRole(at) {
			most = max(most, found[at])
		}
	}
	for at := range width {
		named := at < len(t.names) && slices.Contains(valueNames, t.names[at])
		if !t.hasRole(at) && (found[at] > 0 && found[at]*2 >= most || most == 0 && named) {
			t.values = append(t.values, at)
		}
	}
	rank := func(at int) int {
		if at < len(t.names) {
			if r := slices.Index(valueNames, t.names[at]); r >= 0 {
				return r
			}
		}
		return len(valueNames)
	}
	slices.SortStableFunc(t.values, func(a, b int) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		return classes[b]*max(found[a], 1) - classes[a]*max(found[b], 1)
	})
	t.hits = most
	t.checkKind(rows)
}

// find returns the place of a column by name or by number from 1, or -1.
func (t *table) find(column string, width int) int {
	if at := slices.IndexFunc(t.said, func(s string) bool { return strings.EqualFold(strings.Trim(s, "# "), column) }); at >= 0 {
		return at
	}
	if n, err := strconv.Atoi(column); err == nil && n >= 1 && n <= width {
		return n - 1
	}
	return -1
}

// hasRole reports whether a column is for something else than indicators.
func (t *table) hasRole(at int) bool { return slices.Contains(t.role[:], at) }

// checkKind drops the column of types where few of its fields say one: many lists
// write a category into a column that is called type.
func (t *table) checkKind(rows [][]string) {
	at := t.role[kind]
	if at < 0 {
		return
	}
	known, said := 0, 0
	for _, r := range rows {
		if at >= len(r) || r[at] == "" {
			continue
		}
		said++
		if kindOf(r[at]) != unknownKind {
			known++
		}
	}
	if known*2 < said || said == 0 {
		t.role[kind] = -1
		if t.role[category] < 0 {
			t.role[category] = at
		}
	}
}

// what says what a list's type makes of a value.
type what uint8

const (
	unknownKind what = iota
	otherKind        // hashes, mail addresses, file names: nothing that a flow could be held against
	hostKind         // an address, network or name
	urlKind
)

// kindOf reads a type as MISP, OTX, STIX, abuse.ch and people write it.
func kindOf(text string) what {
	word := ingest.Word(strings.NewReplacer("|", "_", ":", "_", "/", "_").Replace(text))
	switch word {
	case "url", "uri", "urls":
		return urlKind
	case "link", "uri_path", "user_agent", "http_method", "port", "mac_address", "filename_ip", "as", "asn":
		return otherKind
	}
	for _, other := range []string{"hash", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3", "ssdeep", "tlsh", "imphash", "pehash", "telfhash", "file", "mail", "mutex",
		"regkey", "registry", "yara", "sigma", "snort", "cve", "vulnerability", "x509", "ja3", "btc", "xmr", "wallet", "bitcoin", "phone", "pdb", "process",
		"attachment", "malware_sample", "certificate", "cookie", "windows_", "whois", "dns_soa"} {
		if strings.Contains(word, other) {
			return otherKind
		}
	}
	for part := range strings.SplitSeq(word, "_") {
		switch part {
		case "ip", "ips", "ipv4", "ipv6", "address", "cidr", "network", "subnet", "netblock", "range", "domain", "domains", "hostname", "host", "fqdn":
			return hostKind
		case "url", "uri":
			return urlKind
		}
	}
	return unknownKind
}
