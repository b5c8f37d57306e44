package setup

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestIncludesStandInTheLastSection(t *testing.T) {
	for name, tt := range map[string]struct{ conf, want string }{
		"usual": {
			"<ossec_config>\n  <rules>\n    <include>a.xml</include>\n  </rules>\n</ossec_config>\n",
			"<ossec_config>\n  <rules>\n    <include>a.xml</include>\nBLOCK  </rules>\n</ossec_config>\n",
		},
		"two sections":     {"<rules>\n</rules>\n<rules>\n</rules>\n", "<rules>\n</rules>\n<rules>\nBLOCK</rules>\n"},
		"one in a comment": {"<rules>\n</rules>\n<!-- <rules>\n</rules> -->\n", "<rules>\nBLOCK</rules>\n<!-- <rules>\n</rules> -->\n"},
		"on one line":      {"<rules><include>a.xml</include></rules>", "<rules><include>a.xml</include>CUT</rules>"},
	} {
		got, err := insertIncludes([]byte(tt.conf), []string{"x.xml", "y.xml"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines := "    <include>x.xml</include>\n    <include>y.xml</include>\n    " + endMark + "\n"
		want := strings.NewReplacer("BLOCK", "    "+beginMark+"\n"+lines, "CUT", "\n    "+beginCut+"\n"+lines).Replace(tt.want)
		if string(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if back, err := withoutBlocks(got); err != nil || string(back) != tt.conf {
			t.Errorf("%s: taken out again:\n%s\n%v", name, back, err)
		}
	}
	for conf, want := range map[string]error{
		"<ossec_config>\n</ossec_config>\n": errNoRules,
		"<!-- <rules></rules> -->":          errNoRules,
		"<rules></rules><!-- ":              errUnclosed,
	} {
		if _, err := insertIncludes([]byte(conf), nil); !errors.Is(err, want) {
			t.Errorf("%q: %v", conf, err)
		}
	}
}

func TestDamagedMarks(t *testing.T) {
	good := string(appendBlock([]byte("<a/>\n"), "<b/>"))
	for name, content := range map[string]string{
		"no end":           strings.Replace(good, endMark, "", 1),
		"no begin":         strings.Replace(good, beginMark, "", 1),
		"two begins":       strings.Replace(good, "<b/>", beginMark, 1),
		"another's mark":   "<!-- flowhound: mine -->\n",
		"text before":      strings.Replace(good, beginMark, "x "+beginMark, 1),
		"cut at the start": beginCut + "\n" + endMark + "\n",
	} {
		if out, err := withoutBlocks([]byte(content)); !errors.Is(err, errMarks) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if checkText([]byte("<\x00r\x00")) == nil || checkText([]byte("<r\xff")) == nil || checkText([]byte("<r>é\r\n")) != nil {
		t.Error("text is told from other things wrongly")
	}
}

// FuzzMarks: whatever a file holds, what is put in can be taken out byte for byte.
func FuzzMarks(f *testing.F) {
	for _, s := range []string{"", "\n", "<ossec_config>\r\n<rules>\r\n</rules>\r\n</ossec_config>", "<rules></rules>", "x<!-- </rules> --></rules>\n"} {
		f.Add([]byte(s), "<a/>")
	}
	f.Fuzz(func(t *testing.T, content []byte, block string) {
		if clean, err := withoutBlocks(content); err != nil || !bytes.Equal(clean, content) || strings.Contains(block, "<!-- flowhound:") {
			return
		}
		full := appendBlock(content, block)
		if withRules, err := insertIncludes(full, []string{"x.xml"}); err == nil {
			full = withRules
		}
		if back, err := withoutBlocks(full); err != nil || !bytes.Equal(back, content) {
			t.Fatalf("%q became %q and came back as %q, %v", content, full, back, err)
		}
	})
}
