package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/flowhound/flowhound/plugin"
)

// maxID is Elasticsearch's limit: one longer _id makes it refuse a whole request.
const maxID = 512

// docSize is what a document often needs with its action, in bytes.
const docSize = 4 << 10

// bulk is the body of a request: for each document an action and the document,
// a line each.
type bulk struct {
	body []byte
	ids  []string // of each document
	ends []int    // where each ends in body
	hits []int    // which hit of the batch each is
}

// Write sends the batch in one request, and says of each hit what became of it.
// The client's own BulkIndexer is not used: it drops what the server was too busy
// for, without a word.
func (o *output) Write(ctx context.Context, hits []plugin.Hit) error {
	errs := make([]error, len(hits))
	b := o.newBulk(hits, errs)
	if err := o.send(ctx, b, 0, len(b.ids), errs); err != nil && len(b.ids) == len(hits) {
		return err // none has arrived, for one reason
	}
	return plugin.Partial(errs)
}

// newBulk makes the body; a hit that cannot be one document gets its error.
func (o *output) newBulk(hits []plugin.Hit, errs []error) *bulk {
	buf := bytes.NewBuffer(make([]byte, 0, docSize*len(hits)))
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // URLs are full of &
	b := &bulk{ids: make([]string, 0, len(hits)), ends: make([]int, 0, len(hits)), hits: make([]int, 0, len(hits))}
	for i := range hits {
		before := buf.Len()
		if err := appendAction(buf, hits[i].ID); err != nil {
			errs[i] = plugin.Permanent(err)
			continue
		}
		if err := enc.Encode(newDocument(&hits[i], o.Namespace)); err != nil {
			buf.Truncate(before)
			errs[i] = plugin.Permanent(fmt.Errorf("hit %s: %w", hits[i].ID, err))
			continue
		}
		b.ids, b.ends, b.hits = append(b.ids, hits[i].ID), append(b.ends, buf.Len()), append(b.hits, i)
	}
	b.body = buf.Bytes()
	return b
}

// appendAction writes the line before a document. A data stream takes create
// only, which also makes a second write of one hit a conflict, not a second hit.
func appendAction(b *bytes.Buffer, id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("the id of a hit must have 1 to %d bytes, not %d", maxID, len(id))
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		return err
	}
	b.WriteString(`{"create":{"_id":`)
	b.Write(quoted)
	b.WriteString("}}\n")
	return nil
}

// send writes the documents from to to. It sets the error of each hit that has
// not arrived, and returns one that stands for all of them when none has for the
// same reason.
func (o *output) send(ctx context.Context, b *bulk, from, to int, errs []error) error {
	if from == to {
		return nil
	}
	err := o.sendOnce(ctx, b, from, to, errs)
	switch {
	case err == nil:
		return nil
	case refusesBody(err) && to-from > 1: // too large, or one of them spoils it
		half := from + (to-from)/2
		_ = o.send(ctx, b, from, half, errs) // each says it of its own hits
		_ = o.send(ctx, b, half, to, errs)
		return nil
	case refusesBody(err):
		err = plugin.Permanent(err)
	}
	for _, i := range b.hits[from:to] {
		errs[i] = err
	}
	return err
}

// refusesBody reports whether the server itself refuses what the request holds,
// and would take another: 413, or 400 with a reason in its own form that is not
// about the state of an index.
func refusesBody(err error) bool {
	var e *statusError
	return errors.As(err, &e) && (e.status == http.StatusRequestEntityTooLarge || e.status == http.StatusBadRequest && e.reasoned && !e.state)
}

func (o *output) sendOnce(ctx context.Context, b *bulk, from, to int, errs []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing to %s: %w", o.Flavor, err)
	}
	start := 0
	if from > 0 {
		start = b.ends[from-1]
	}
	request := esapi.BulkRequest{
		Index:      o.stream(),
		Body:       bytes.NewReader(b.body[start:b.ends[to-1]]),
		FilterPath: answerFields,
		Header:     http.Header{"Content-Type": {"application/x-ndjson"}},
	}
	body, err := o.do(ctx, request, maxAnswer(to-from))
	if err != nil {
		return err
	}
	results, err := parseAnswer(body, b.ids[from:to])
	if err != nil {
		return fmt.Errorf("the answer of %s does not match the request: %w", o.Flavor, err)
	}
	for n, i := range b.hits[from:to] {
		errs[i] = results[n]
	}
	return nil
}
