package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/replay"
)

// keep is the command "keep" of scripts.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(args[0])
	ts.Check(err)
	defer f.Close()
	var records []flow.Record
	r := replay.New(config.Default().Replay(nil))
	r.OnFlow = func(f *flow.Record) { records = append(records, *f) }
	ts.Check(r.Read(context.Background(), f))
	r.Close()
	w, err := dataset.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(w.Add(records))
	ts.Check(w.Flush())
	ts.Check(w.Tidy(context.Background(), time.Now().AddDate(10, 0, 0)))
	ts.Check(w.Close())
}

// damage is the command "damage" of scripts.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(filepath.Join(args[0], "*", "*.parquet")))
	ts.Check(err)
	b, err := os.ReadFile(files[0])
	ts.Check(err)
	b[200] ^= 1 // in the first column
	ts.Check(os.WriteFile(files[0], b, 0o600))
}
