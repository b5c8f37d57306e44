package query

import (
	"slices"
	"strings"
)

// protocols are the names of protocols that people write in filters, after IANA's
// registry "Assigned Internet Protocol Numbers".
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
	"icmp6": 58, "ipv6-icmp": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "ospfigp": 89, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136, "etherip": 97,
}

func protoNumber(name string) (uint8, bool) {
	n, ok := protocols[strings.ToLower(name)]
	return n, ok
}

func protoNames() []string {
	out := make([]string, 0, len(protocols))
	for n := range protocols {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// countries are the codes of ISO 3166-1 and XK, which is in wide use for Kosovo.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

// mistaken are words that people write for a country's code: codes of three letters, and
// names, without spaces.
var mistaken = func() map[string]string {
	m := map[string]string{"UK": "GB", "EL": "GR"}
	for line := range strings.SplitSeq(`GB GBR ENGLAND BRITAIN UNITEDKINGDOM GREATBRITAIN|US USA AMERICA UNITEDSTATES|NO NOR NORWAY NORGE|SE SWE SWEDEN|DK DNK DENMARK|FI FIN FINLAND|IS ISL ICELAND`+
		`|DE DEU GER GERMANY|FR FRA FRANCE|NL NLD NETHERLANDS HOLLAND|BE BEL BELGIUM|LU LUX LUXEMBOURG|CH CHE SUI SWITZERLAND|AT AUT AUSTRIA|IT ITA ITALY|ES ESP SPAIN|PT PRT PORTUGAL|IE IRL IRELAND`+
		`|PL POL POLAND|CZ CZE CZECHIA|SK SVK SLOVAKIA|HU HUN HUNGARY|RO ROU ROMANIA|BG BGR BULGARIA|GR GRC GREECE|RS SRB SERBIA|HR HRV CROATIA|SI SVN SLOVENIA|EE EST ESTONIA|LV LVA LATVIA|LT LTU LITHUANIA`+
		`|UA UKR UKRAINE|BY BLR BELARUS|MD MDA MOLDOVA|RU RUS RUSSIA|TR TUR TURKEY TURKIYE|IL ISR ISRAEL|IR IRN IRAN|IQ IRQ IRAQ|SA SAU SAUDIARABIA|AE ARE EMIRATES|EG EGY EGYPT|ZA ZAF SOUTHAFRICA|NG NGA NIGERIA|KE KEN KENYA`+
		`|CN CHN CHINA|HK HKG HONGKONG|TW TWN TAIWAN|JP JPN JAPAN|KR KOR KOREA SOUTHKOREA|KP PRK NORTHKOREA|IN IND INDIA|PK PAK PAKISTAN|BD BGD BANGLADESH|VN VNM VIETNAM|TH THA THAILAND|SG SGP SINGAPORE|MY MYS MALAYSIA`+
		`|ID IDN INDONESIA|PH PHL PHILIPPINES|AU AUS AUSTRALIA|NZ NZL NEWZEALAND|CA CAN CANADA|MX MEX MEXICO|BR BRA BRAZIL|AR ARG ARGENTINA|CL CHL CHILE|CO COL COLOMBIA|PE PER PERU|VE VEN VENEZUELA`, "|") {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			m[w] = words[0]
		}
	}
	return m
}()

// countryCode reads a country: its code in any case, or one of the words that stand for
// an address without a country.
func countryCode(text string) (code, suggestion string, ok bool) {
	switch lower := strings.ToLower(text); lower {
	case "private", "multicast":
		return lower, "", true
	case "--", "unknown":
		return "--", "", true
	}
	upper := strings.ToUpper(text)
	if len(upper) == 2 && strings.IndexByte(upper, ' ') < 0 && strings.Contains(" "+countries+" ", " "+upper+" ") {
		return upper, "", true
	}
	return "", mistaken[strings.ReplaceAll(upper, " ", "")], false
}

// countryName returns a country as people write it, of the two letters in files: codes
// that ISO leaves to users stand for addresses without a country.
func countryName(b []byte) string {
	switch string(b) {
	case "xp", "XP":
		return "private"
	case "xm", "XM":
		return "multicast"
	}
	return string(b)
}

// countryLetters is the inverse of countryName.
func countryLetters(name string) string {
	switch name {
	case "private":
		return "XP"
	case "multicast":
		return "XM"
	case "":
		return "--"
	}
	return name
}

// lettersOf returns the letters of a country in packed keys, of those in files.
func lettersOf(country uint16) uint16 {
	if country >= 'a'<<8 {
		return country &^ 0x2020 // xp is XP
	}
	return country
}
