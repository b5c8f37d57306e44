// Package query asks the history: which flow records, which are the most, how much
// when. It has one language for all who ask (README.md): an expression as nfdump's
// users write it and options as rwfilter's users know them, both read into one Filter.
//
// A question is asked of flow records. Both directions of a conversation are a record
// of their own, whose source is the sender.
//
// The package reads and never writes; it knows nothing of feeds, alerts or pages.
package query
