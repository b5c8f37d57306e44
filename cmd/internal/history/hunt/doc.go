// Package hunt holds the flows of the past against the indicators of today. Finder
// sums up what was found by who talked to whom; Hunter does it by itself for indicators
// that are new, and has each find said once, ever.
//
// It reads a history through a function that it is given, and neither opens files of
// flows nor writes lines.
package hunt
