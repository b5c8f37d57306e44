package priority

// Do runs f at a level and returns when it has ended. A panic of f is one of the caller.
func Do(level int, f func()) {
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		Lower(level)
		f()
	}()
	if p := <-ended; p != nil {
		panic(p)
	}
}
