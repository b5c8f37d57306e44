package setup

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// What flowhound writes into a file of others stands between marks, so that it
// can be replaced by a newer version and taken out byte for byte.
const (
	beginMark = "<!-- flowhound: begin (written by flowhound install; flowhound uninstall takes it out) -->"
	// beginCut also stands for the line end before it, which the file lacked.
	beginCut = "<!-- flowhound: begin, after an unfinished line (written by flowhound install; flowhound uninstall takes it out) -->"
	endMark  = "<!-- flowhound: end -->"
	anyMark  = "<!-- flowhound:"
)

var (
	errNotText  = errors.New("is not UTF-8 text")
	errMarks    = errors.New("has flowhound's markers in an order that flowhound did not write: remove the lines from \"flowhound: begin\" to \"flowhound: end\" by hand")
	errNoRules  = errors.New("has no section <rules> to put flowhound's rules into")
	errUnclosed = errors.New("has a comment that does not end")
)

// checkText rejects what cannot be edited as text without harm.
func checkText(content []byte) error {
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return errNotText
	}
	return nil
}

// withoutBlocks returns content without anything between marks.
func withoutBlocks(content []byte) ([]byte, error) {
	out := bytes.Clone(content)
	for {
		at := bytes.Index(out, []byte(anyMark))
		if at < 0 {
			return out, nil
		}
		cut := bytes.HasPrefix(out[at:], []byte(beginCut))
		if !cut && !bytes.HasPrefix(out[at:], []byte(beginMark)) {
			return nil, errMarks
		}
		end := bytes.Index(out[at:], []byte(endMark+"\n"))
		if end < 0 || bytes.Count(out[at:at+end], []byte(anyMark)) != 1 {
			return nil, errMarks
		}
		end += at + len(endMark) + 1
		from := bytes.LastIndexByte(out[:at], '\n') + 1 // the mark's line
		if len(bytes.TrimLeft(out[from:at], " ")) > 0 {
			return nil, errMarks
		}
		if cut {
			if from--; from < 0 {
				return nil, errMarks
			}
		}
		out = append(out[:from], out[end:]...)
	}
}

// appendBlock returns content with a block at its end.
func appendBlock(content []byte, block string) []byte {
	mark := beginMark
	out := bytes.Clone(content)
	if n := len(out); n > 0 && out[n-1] != '\n' {
		mark = beginCut
		out = append(out, '\n')
	}
	return fmt.Appendf(out, "%s\n%s\n%s\n", mark, block, endMark)
}

// insertIncludes returns content with includes at the end of its last section
// <rules>: OSSEC forgets the rules of a section when it meets another.
func insertIncludes(content []byte, files []string) ([]byte, error) {
	at, err := lastOutsideComments(content, "</rules>")
	if err != nil {
		return nil, err
	}
	from := bytes.LastIndexByte(content[:at], '\n') + 1
	lead, mark := "", beginMark
	if len(bytes.TrimSpace(content[from:at])) > 0 { // <rules><include>..</include></rules> on one line
		from, lead, mark = at, "\n", beginCut
	}
	var b bytes.Buffer
	b.Write(content[:from])
	fmt.Fprintf(&b, "%s    %s\n", lead, mark)
	for _, f := range files {
		fmt.Fprintf(&b, "    <include>%s</include>\n", f)
	}
	fmt.Fprintf(&b, "    %s\n", endMark)
	b.Write(content[from:])
	return b.Bytes(), nil
}

// lastOutsideComments returns where tag stands for the last time, comments apart.
func lastOutsideComments(content []byte, tag string) (int, error) {
	last, at := -1, 0
	for {
		comment := bytes.Index(content[at:], []byte("<!--"))
		part := content[at:]
		if comment >= 0 {
			part = content[at : at+comment]
		}
		if i := bytes.LastIndex(part, []byte(tag)); i >= 0 {
			last = at + i
		}
		if comment < 0 {
			break
		}
		end := bytes.Index(content[at+comment:], []byte("-->"))
		if end < 0 {
			return 0, errUnclosed
		}
		at += comment + end + len("-->")
	}
	if last < 0 {
		return 0, errNoRules
	}
	return last, nil
}

// includes reports whether content, comments apart, includes the file.
func includes(content []byte, file string) bool {
	_, err := lastOutsideComments(content, "<include>"+file+"</include>")
	return err == nil
}
