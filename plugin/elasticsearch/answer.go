package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/flowhound/flowhound/plugin"
)

// answerFields is all that is asked back of a bulk request.
var answerFields = []string{"error", "items.*._id", "items.*.status", "items.*.failure_store",
	"items.*.error.type", "items.*.error.reason", "items.*.error.caused_by.reason"}

// maxAnswer bounds the answer to a request of n documents, in bytes. An item that
// failed repeats a few hundred bytes of the document.
func maxAnswer(n int) int64 { return 1<<20 + int64(n)*16<<10 }

// answer is what a bulk request returns: one item for each document, in order.
type answer struct {
	Items []struct {
		Create *item `json:"create"`
	} `json:"items"`
}

type item struct {
	ID           string `json:"_id"`
	Status       int    `json:"status"`
	FailureStore string `json:"failure_store"`
	Error        *cause `json:"error"`
}

// parseAnswer says of each id what became of its document, nil for written. An
// error says that the answer speaks of other documents than these, or of none, so
// that nothing is known of any.
func parseAnswer(body []byte, ids []string) ([]error, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, err
	}
	if len(a.Items) != len(ids) {
		return nil, fmt.Errorf("%d results for %d hits", len(a.Items), len(ids))
	}
	results := make([]error, len(ids))
	for i, id := range ids {
		it := a.Items[i].Create
		switch {
		case it == nil:
			return nil, fmt.Errorf("result %d is not the result of a create", i)
		case it.FailureStore != "used" && it.ID != id: // the failure store gives ids of its own
			return nil, fmt.Errorf("result %d belongs to another document", i)
		}
		results[i] = it.result()
	}
	return results, nil
}

// result returns what the item says, as an error that tells whether to try again.
func (it *item) result() error {
	why := "no reason given"
	if it.Error != nil {
		why = it.Error.String()
	}
	switch s := it.Status; {
	case it.FailureStore == "used":
		// A success in the server's eyes, but no search finds it among the hits.
		return plugin.Permanent(fmt.Errorf("the hit went to the failure store: %s", why))
	case s == http.StatusConflict:
		return nil // written before: the answer was lost, or the program was
	case s/100 == 2 && it.Error == nil:
		return nil
	case it.Error.trouble() != "":
		return fmt.Errorf("%s (%d %s)", it.Error.trouble(), s, why)
	case it.Error.aboutRights(s):
		return fmt.Errorf("the credentials may not write to the data stream (%d): %s", s, why)
	case s == http.StatusForbidden:
		return fmt.Errorf("the server blocks writing (%d): %s", s, why)
	case s == http.StatusNotFound:
		return fmt.Errorf("the data stream cannot be made (%d): %s: run flowhound output setup", s, why)
	case s/100 == 4 && s != http.StatusTooManyRequests && s != http.StatusRequestTimeout:
		return plugin.Permanent(fmt.Errorf("the hit is rejected (%d): %s", s, why))
	}
	return fmt.Errorf("the hit is not written (%d): %s", it.Status, why)
}
