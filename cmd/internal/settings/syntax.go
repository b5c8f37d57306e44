package settings

import (
	"bytes"
	"errors"
	"io"
	"sort"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/plugin/text"
)

// readYAML returns the top node of the one document in data, nil when it is
// empty. Aliases are not followed here, so a small file cannot become a large
// tree; nesting is bounded by the library.
func (d *Document) readYAML(data []byte) *yaml.Node {
	first, second, err := documents(data)
	switch {
	case err != nil:
		text := syntaxText(err)
		if plain, ok := plainWords[text]; ok {
			text = plain
		}
		d.Errorf(syntaxLine(data, err), "", "not valid YAML: %s", text)
	case second != nil:
		d.Errorf(second.Line, "", "a second YAML document starts here; flowhound reads one, so join them and remove the line \"---\"")
	case first != nil:
		root := first.Content[0]
		if root.Kind == yaml.MappingNode || root.ShortTag() == "!!null" {
			return root
		}
		d.Errorf(root.Line, "", "want \"key: value\" lines, not %s", kindName(root))
	}
	return nil
}

// documents parses up to two documents of data; those that are not there are nil.
func documents(data []byte) (first, second *yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for _, doc := range []**yaml.Node{&first, &second} {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
		*doc = &n
	}
	return first, second, nil
}

// syntaxLine returns the first line with which data fails as err says. The
// library's own number is that of the section around the mistake, or one too
// low, or absent. A file of maxFile bytes that is made to be slow takes seconds;
// one that is written by hand, microseconds.
func syntaxLine(data []byte, err error) int {
	text := syntaxText(err)
	var ends []int // of each line
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return 1 + sort.Search(len(ends), func(i int) bool {
		_, _, err := documents(data[:ends[i]])
		return err != nil && syntaxText(err) == text
	})
}

var syntaxPrefix = text.Pattern(`^yaml: (line \d+: )?`)

// syntaxText returns what err says without its line.
func syntaxText(err error) string { return syntaxPrefix().ReplaceAllString(err.Error(), "") }

// plainWords says what people usually did when the library complains so.
var plainWords = map[string]string{
	"found character that cannot start any token":           "a line is indented with a tab (use spaces), or a value starts with one of @ ` % (put it in quotes)",
	"found a tab character that violates indentation":       "a line is indented with a tab; use spaces",
	"mapping values are not allowed in this context":        "\": \" is in a place where no key can be: look at the indentation, or put the value in quotes",
	"did not find expected key":                             "the indentation does not fit the lines above, or a quote or bracket is not closed",
	"could not find expected ':'":                           "a key without \":\" after it",
	"did not find expected ',' or ']'":                      "a list that [ opens needs \",\" between its values and \"]\" at its end",
	"did not find expected ',' or '}'":                      "a section that { opens needs \",\" between its keys and \"}\" at its end",
	"did not find expected '-' indicator":                   "the entries of a list must all be indented alike and start with \"- \"",
	"did not find expected alphabetic or numeric character": "* and & have a meaning of their own in YAML: put the value in quotes",
	"found unexpected end of stream":                        "a quote that is opened here is not closed",
	"control characters are not allowed":                    "a control character, which is invisible in most editors",
	"did not find expected node content":                    "a value is missing here, or a bracket that is opened here is not closed",
	"incomplete UTF-8 octet sequence":                       "the text is not UTF-8: save the file in that encoding",
	"invalid trailing UTF-8 octet":                          "the text is not UTF-8: save the file in that encoding",
	"invalid leading UTF-8 octet":                           "the text is not UTF-8: save the file in that encoding",
}
