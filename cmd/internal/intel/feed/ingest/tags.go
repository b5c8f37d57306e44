package ingest

import "strings"

// JoinTags joins tags with commas, whole ones only, up to MaxTags bytes.
func JoinTags(tags []string) string {
	var b strings.Builder
	for _, tag := range tags {
		tag = strings.ReplaceAll(Text(tag, MaxName), ",", " ")
		if tag == "" || b.Len()+1+len(tag) > MaxTags {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(tag)
	}
	return b.String()
}
