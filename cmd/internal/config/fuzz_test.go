package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Whatever the file holds, it is either a configuration, which printing and
// reading does not change, or there is a bounded list of reasons why not.
func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte(settingLine.ReplaceAllString(Example(), "$1$2")))
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("flowhound.yaml", data)
		if err != nil {
			var problems *settings.Problems
			if c != nil || !errors.As(err, &problems) || len(*problems) == 0 || len(*problems) > 100+1 {
				t.Fatalf("%v and %v", c, err)
			}
			for _, p := range *problems {
				if len(p.String()) > 2000 || p.Line < 0 {
					t.Errorf("%d bytes for line %d: %.200s", len(p.String()), p.Line, p)
				}
			}
			return
		}
		printed := c.String()
		again, err := Parse("flowhound.yaml", []byte(printed))
		if err != nil {
			t.Fatalf("what was printed is rejected: %v\n%s", err, printed)
		}
		if !reflect.DeepEqual(c.Feeds, again.Feeds) || again.String() != printed {
			t.Fatalf("changed by printing and reading:\n%s\nand\n%s", printed, again)
		}
	})
}
