package hit

// TestFeed is the feed of hits that "flowhound test" plants. No feed of a configuration
// may have this name, so whoever reads one knows that nothing happened.
const TestFeed = "flowhound-test"

// IsTest reports whether the hit was planted to see whether it arrives.
func (h *Hit) IsTest() bool { return h.Feed == TestFeed }
