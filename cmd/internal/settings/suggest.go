package settings

// DidYouMean ends a message with a suggestion, when there is one.
func DidYouMean(suggestion string) string {
	if suggestion == "" {
		return ""
	}
	return "; did you mean " + suggestion + "?"
}
