package feed

import (
	"path/filepath"
	"slices"
	"strings"
)

// OfFiles returns a feed for each file: of OTX's documents where the file starts like
// JSON, else a list. A feed is named after its file.
func OfFiles(paths []string) ([]Source, error) {
	var feeds []Source
	for _, path := range paths {
		t, err := typeOf(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		for slices.ContainsFunc(feeds, func(f Source) bool { return f.Name == name }) {
			name += "+"
		}
		feeds = append(feeds, Source{Name: name, Type: t.Name, Path: path, Confidence: t.Confidence, Category: t.Category})
	}
	return feeds, nil
}

func typeOf(path string) (Type, error) {
	f, _, err := openFile(path)
	if err != nil {
		return Type{}, err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 512)
	n, _ := f.Read(head) // an empty or unreadable file is the feed's to complain of
	start := strings.TrimLeft(strings.TrimPrefix(string(head[:n]), "\ufeff"), " \t\r\n")
	name := List
	if strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[{") || strings.HasPrefix(start, "[\n") {
		name = OTX
	}
	t, _ := Find(name)
	return t, nil
}
