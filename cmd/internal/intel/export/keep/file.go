package keep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/retry"
)

// refreshEvery is how long a file may stand without a change of the feeds:
// indicators expire also then.
const refreshEvery = time.Hour

// again is when to retry what failed.
var again = retry.Backoff{First: 2 * time.Second, Most: 5 * time.Minute}

// keeper keeps one exported file. Only its goroutine touches it, but for state.
type keeper struct {
	d      *Dependencies
	cfg    File
	news   chan struct{} // holds one value when there is a set that was not looked at
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	looked time.Time    // when the file was last compared with a set; zero: never
	stats  export.Stats // of the file as it was then
	tell   bool         // the reload command must run

	mu    sync.Mutex
	state state
}

// state is what is to be said of one export.
type state struct {
	path     string
	problem  string       // why it failed last, for people; "": it did not
	at       time.Time    // when it was last up to date and in use; zero: never
	stats    export.Stats // of then
	failures uint64
}

func newKeeper(d *Dependencies, cfg File) *keeper {
	k := &keeper{
		d: d, cfg: cfg, news: make(chan struct{}, 1), done: make(chan struct{}),
		// The last process may not have run the reload command.
		tell:  len(cfg.Reload) > 0,
		state: state{path: cfg.Path},
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

// keeps reports whether this is the keeper of cfg.
func (k *keeper) keeps(cfg File) bool { return reflect.DeepEqual(k.cfg, cfg) }

// run writes the file at once and then whenever it has to, until it is cancelled.
func (k *keeper) run() {
	defer close(k.done)
	export.Sweep(k.cfg.Path)
	for failed := 0; ; {
		err := k.keep()
		if k.ctx.Err() != nil {
			return
		}
		k.say(err)
		if err == nil {
			failed = 0
			k.wait()
		} else {
			failed++
			k.sleep(again.After(failed))
		}
	}
}

// wait returns when there is news, or may be, and Every has passed.
func (k *keeper) wait() {
	select {
	case <-k.ctx.Done():
	case <-k.news:
	case <-time.After(refreshEvery):
	}
	k.sleep(time.Until(k.looked.Add(k.cfg.Every)))
}

func (k *keeper) sleep(d time.Duration) {
	select {
	case <-k.ctx.Done():
	case <-time.After(d):
	}
}

// keep writes the file if it is time to, and runs the reload command if the
// other system does not know the file's last version.
func (k *keeper) keep() error {
	if time.Since(k.looked) >= k.cfg.Every {
		select {
		case <-k.news: // whatever it is, this look sees it
		default:
		}
		if err := k.write(); err != nil {
			return fmt.Errorf("%w; %s stays as it is", err, k.cfg.Path)
		}
		k.looked = time.Now()
	}
	if k.tell {
		if err := runCommand(k.ctx, k.cfg.Reload, k.cfg.Timeout); err != nil {
			return fmt.Errorf("%s is written but not in use, the reload command failed: %w", k.cfg.Path, err)
		}
		k.tell = false
	}
	return nil
}

func (k *keeper) write() error {
	set := k.d.Set()
	if !k.loaded(set) {
		return errors.New("none of its sources could be read")
	}
	began := time.Now()
	stats, changed, err := export.File(k.cfg.Path, set, k.cfg.options())
	if changed || err != nil { // after an error, what is there may be new
		k.tell = len(k.cfg.Reload) > 0
	}
	if err != nil {
		return err
	}
	k.stats = stats
	k.d.Log.Info("export", "path", k.cfg.Path, "changed", changed, "holds", stats.String(), "took", time.Since(began))
	return nil
}

// loaded reports whether set holds any of the export's feeds, or the allow lists
// if it is made of those. After a start at which none could be read, the file of
// before is better than an empty one.
func (k *keeper) loaded(set *intel.Set) bool {
	if k.cfg.Action.Word == export.ActionAllow {
		return set.Allow() != nil
	}
	return slices.ContainsFunc(set.Feeds(), func(f intel.FeedSize) bool {
		return len(k.cfg.Feeds) == 0 || slices.Contains(k.cfg.Feeds, f.Feed)
	})
}

// say keeps what came of keep, and tells the first success and each change
// between failures and successes.
func (k *keeper) say(err error) {
	k.mu.Lock()
	before := k.state
	if err != nil {
		k.state.problem = err.Error()
		k.state.failures++
	} else {
		k.state.problem, k.state.at, k.state.stats = "", time.Now(), k.stats
	}
	now := k.state
	k.mu.Unlock()

	if err != nil {
		k.d.Log.Warn("export failed", "path", k.cfg.Path, "err", err)
	}
	status := hit.Status{Part: hit.Export, ID: filepath.Base(k.cfg.Path), Indicators: now.stats.Written}
	switch {
	case err != nil && before.problem == "":
		status.Status, status.Msg = "error", now.problem
	case err == nil && (before.problem != "" || before.at.IsZero()):
		status.Status, status.Msg = "ok", fmt.Sprintf("%s holds %s", k.cfg.Path, k.stats)
	default:
		return
	}
	k.d.Report(&status)
}
