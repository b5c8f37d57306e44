package feed

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, c := range Types() {
		if !name.MatchString(c.Name) || seen[c.Name] {
			t.Errorf("%q is no name, or there are two of it", c.Name)
		}
		seen[c.Name] = true
		if c.Title == "" || c.Format == "" || c.Confidence < 1 || c.Confidence > 100 {
			t.Errorf("%s is not whole: %+v", c.Name, c)
		}
		if c.HasURL() && (c.Every < c.Least || c.Least < 5*time.Minute || c.Page == "") {
			t.Errorf("%s: every %s, least %s, page %q", c.Name, c.Every, c.Least, c.Page)
		}
		for _, d := range c.Documents {
			if u, err := url.Parse(d.URL); c.Name != List && (err != nil || u.Scheme != "https") {
				t.Errorf("%s is had at %q", c.Name, d.URL)
			}
		}
		if got, ok := Find(c.Name); !ok || got.Name != c.Name {
			t.Errorf("Find does not know %s", c.Name)
		}
	}
	if _, ok := Find("none"); ok {
		t.Error("Find knows what there is not")
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	drop, _ := Find(Spamhaus)
	docs := drop.At("https://mirror.example/drop/", false)
	if len(docs) != 3 || docs[0].URL != "https://mirror.example/drop/drop_v4.json" || docs[2].URL != "https://mirror.example/drop/asndrop.json" || !docs[2].MayBeEmpty {
		t.Errorf("several documents: %+v", docs)
	}
	fox, _ := Find(ThreatFox)
	if docs := fox.At("https://mirror.example/fox.json", true); len(docs) != 1 || docs[0].URL != "https://mirror.example/fox.json" || docs[0].Method != "" || docs[0].Body != "" {
		t.Errorf("one document: %+v", docs)
	}
	if docs := fox.At("", true); docs[0].Method != http.MethodPost {
		t.Errorf("no mirror: %+v", docs)
	}
	haus, _ := Find(URLhaus)
	if open, keyed := haus.At("", false), haus.At("", true); strings.Contains(open[0].URL, ingest.Key) || !strings.Contains(keyed[0].URL, ingest.Key) {
		t.Errorf("without a key %s, with one %s", open[0].URL, keyed[0].URL)
	}
}
