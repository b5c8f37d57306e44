package ingest

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Document is one of a format's published documents and how it is had. It is
// data: fetching it is not the format's business.
type Document struct {
	// URL may hold Key, for which the user's key is put. Such a URL is a secret.
	URL string
	// Method and Body are those of the request; "" is GET. Header, when set, is
	// the name of the header that carries the key.
	Method, Body, ContentType string
	Header                    string
	// Every is the shortest time between two fetches that the publisher asks for;
	// 0: it asks for none.
	Every time.Duration
	// MayBeEmpty says that a document without indicators is no mistake.
	MayBeEmpty bool
	// Category is what the document lists, where it does not say so itself.
	Category intel.Category
}

// Key stands in a Document's URL for the user's key.
const Key = "{key}"
