package throttle

// recent orders all entries by use, the proven apart from the newcomers. Newcomers
// push each other out as long as they hold more than an eighth of the room: whoever
// forges records of ever new pairs pushes out what was forged before.
type recent struct{ fresh, proven list }

// list is a list of entries, linked by their own pointers. It costs a third of
// container/list.
type list struct {
	newest, oldest *entry
	n              int
}

func (l *list) push(e *entry) {
	e.older, e.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.n++
}

func (l *list) remove(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	e.newer, e.older = nil, nil
	l.n--
}

func (r *recent) of(e *entry) *list {
	if e.proven {
		return &r.proven
	}
	return &r.fresh
}

// used makes e the last one to be pushed out of its list.
func (r *recent) used(e *entry) {
	r.of(e).remove(e)
	e.proven = e.proven || e.cameBack()
	r.of(e).push(e)
}

// provenContacts make an entry one that newcomers do not push out.
const provenContacts = 3

// cameBack reports whether there is more to an entry than one burst of records.
func (e *entry) cameBack() bool {
	if e.clock != nil {
		return e.clock.Contacts >= provenContacts
	}
	return e.lines >= provenContacts
}

// victim returns the entry that goes when there is room for most.
func (r *recent) victim(most int) *entry {
	if r.proven.n == 0 || r.fresh.n > most/8 {
		return r.fresh.oldest
	}
	return r.proven.oldest
}
