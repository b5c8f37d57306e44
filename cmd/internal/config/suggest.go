package config

// didYouMean ends a message with a suggestion, when there is one.
func didYouMean(suggestion string) string {
	if suggestion == "" {
		return ""
	}
	return "; did you mean " + suggestion + "?"
}
