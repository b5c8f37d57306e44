package main

import (
	"encoding/json"
	"io"
)

// printLines prints each value as JSON, a line each.
func printLines[T any](w io.Writer, values ...T) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}
