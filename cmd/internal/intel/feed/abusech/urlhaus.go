package abusech

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// ParseURLhaus reads URLhaus' URLs as CSV, or its hosts in the hosts format, and
// calls emit for each indicator, which returns why it is rejected, or "" when it is
// kept. A URL on an address, while it is online, is two: the URL, and the address
// with its port. Names are never lifted out of URLs, and shared hosts not taken
// from the hosts either. A bad entry costs that entry. The error is
// ingest.ErrWebPage, ingest.ErrBinary or ErrNotURLhaus, wrapped, or the reader's;
// what was emitted until then should be thrown away.
func ParseURLhaus(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, ErrNotURLhaus, emit)
	br, isJSON, err := p.start(r)
	switch {
	case err != nil:
		return p.drops, err
	case isJSON:
		return p.drops, p.none("")
	case isHostfile(br):
		return p.drops, p.hosts(br)
	}
	found, err := readTable(br, "url", p.drops, p.urlhaus)
	if err == nil && !found {
		err = p.none("")
	}
	return p.drops, err
}

// urlhaus emits one URL.
func (p *parser) urlhaus(t *table) {
	text := t.get("url")
	i := p.template
	why := ingest.Parse(text, &i)
	if why == "" && i.URL == "" {
		why = ingest.Unreadable
	}
	if why != "" {
		p.drops.Add(why, t.lines.N(), text)
		return
	}
	p.entries++
	if c, ok := ingest.Category(t.get("threat")); ok {
		i.Category = c
	}
	i.FirstSeen, i.LastSeen = ingest.When(t.get("dateadded")), ingest.When(t.get("last_online"))
	i.Tags = cmp.Or(ingest.JoinTags(strings.Split(t.get("tags"), ",")), i.Tags)
	i.Ref = cmp.Or(ingest.Link(t.get("urlhaus_link")), i.Ref)
	p.keep(i, t.lines.N(), text)
	if t.get("url_status") == "online" {
		p.lifted(i, t.lines.N(), text)
	}
}

// isHostfile looks for the first line that is no comment.
func isHostfile(r *bufio.Reader) bool {
	head, _ := r.Peek(4096) // shorter at the end of the document
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '#' {
			return bytes.HasPrefix(line, []byte("127.0.0.1")) || bytes.HasPrefix(line, []byte("0.0.0.0"))
		}
		if bytes.Contains(line, []byte("Host file")) || bytes.Contains(line, []byte("hostfile")) {
			return true // and perhaps nothing else
		}
	}
	return false
}

// hosts reads lines of "127.0.0.1 TAB name".
func (p *parser) hosts(r io.Reader) error {
	lines, err := ingest.NewLines(r)
	if err != nil {
		return err
	}
	for lines.Next() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 || len(words) > 1 && words[1] == "localhost" {
			continue
		}
		i := p.template
		why, text := ingest.Unreadable, lines.Text()
		if len(words) == 2 {
			text = words[1]
			why = ingest.Parse(text, &i)
		}
		switch {
		case why == "" && (i.URL != "" || i.Port != 0):
			why = ingest.Unreadable
		case why == "" && isShared(i.Domain):
			why = ingest.Shared
		}
		if why != "" {
			p.drops.Add(why, lines.N(), text)
			continue
		}
		p.entries++
		p.keep(i, lines.N(), text)
	}
	lines.CountLong(p.drops)
	if unreadable := p.drops[ingest.Unreadable].Count; lines.Err() == nil && p.entries == 0 && unreadable > 0 {
		return p.none("")
	}
	return lines.Err()
}

// isShared knows the hosts to which anybody may upload: malware lies there for
// hours, everything else for years. Names below them are shared, too; of hosts
// that give each customer a name (github.io, sharepoint.com) none is listed.
func isShared(name string) bool {
	for _, host := range [...]string{
		"github.com", "githubusercontent.com", "gitlab.com", "bitbucket.org", "codeberg.org",
		"discord.com", "discordapp.com", "discordapp.net", "t.me", "telegram.org",
		"drive.google.com", "docs.google.com", "drive.usercontent.google.com", "storage.googleapis.com", "firebasestorage.googleapis.com",
		"dropbox.com", "dropboxusercontent.com", "onedrive.live.com", "1drv.ms",
		"pastebin.com", "archive.org", "mediafire.com", "mega.nz", "catbox.moe", "ipfs.io",
	} {
		if name == host || strings.HasSuffix(name, "."+host) {
			return true
		}
	}
	return false
}
