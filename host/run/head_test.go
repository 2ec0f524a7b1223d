package run

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers"
	localstore "github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
)

// countingStore counts the files that are opened.
type countingStore struct {
	drivers.Store
	opened int
}

func (s *countingStore) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	s.opened++
	return s.Store.Open(ctx, name)
}

func (s *countingStore) List(ctx context.Context, prefix string) iter.Seq2[drivers.StoreInfo, error] {
	return s.Store.List(ctx, prefix)
}

func testStore(t *testing.T) *countingStore {
	t.Helper()
	s, err := localstore.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &countingStore{Store: s}
}

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// grow appends n heads to a chain, one a minute, and returns the newest.
func grow(t *testing.T, s drivers.Store, tip host.HeadRef, head *host.Head, recent *recentRefs, n int) (host.HeadRef, *host.Head) {
	t.Helper()
	for range n {
		prev, skips, err := chain(t.Context(), s, tip, head, recent)
		if err != nil {
			t.Fatal(err)
		}
		next := &host.Head{Format: host.HeadFormat, Seq: tip.Seq + 1, Prev: prev, Skips: skips,
			Run: host.RunRecord{Started: dawn.Add(time.Duration(tip.Seq) * time.Minute), Duration: time.Minute}}
		b, err := host.CanonicalJSON(next)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("heads/%d.json", next.Seq)
		ref, err := writeFile(t.Context(), s, name, b)
		if err != nil {
			t.Fatal(err)
		}
		tip, head = host.HeadRef{Seq: next.Seq, Hash: ref.Hash, Location: name}, next
	}
	return tip, head
}

func TestWalk(t *testing.T) {
	s := testStore(t)
	tip, head := grow(t, s, host.HeadRef{}, nil, &recentRefs{}, 300)
	tip, head = grow(t, s, tip, head, &recentRefs{}, 700) // a restart in between: nothing remembered
	for distance := host.Seq(2); distance < 1000; distance *= 2 {
		found := false
		for _, ref := range head.Skips {
			found = found || ref.Seq == head.Seq-distance
		}
		if !found {
			t.Fatalf("head %d does not name the one %d before it: %v", head.Seq, distance, head.Skips)
		}
	}
	for seq := host.Seq(1); seq <= 1000; seq++ {
		s.opened = 0
		h, err := HeadAt(t.Context(), s, tip, seq)
		if err != nil || h.Seq != seq {
			t.Fatalf("%d: %v", seq, err)
		}
		if s.opened > 11 {
			t.Fatalf("%d heads read to find %d", s.opened, seq)
		}
	}
	for _, seq := range []host.Seq{0, -1, 1001} {
		if _, err := HeadAt(t.Context(), s, tip, seq); host.CodeOf(err) != host.CodeTableSnapshot {
			t.Errorf("snapshot %d: %v", seq, err)
		}
	}
}

func TestHeadAsOf(t *testing.T) {
	s := testStore(t)
	tip, _ := grow(t, s, host.HeadRef{}, nil, &recentRefs{}, 200)
	for _, c := range []struct {
		at   time.Time
		want host.Seq
	}{{dawn, 0}, {dawn.Add(59 * time.Second), 0}, {dawn.Add(time.Minute), 1}, {dawn.Add(90 * time.Second), 1},
		{dawn.Add(77 * time.Minute), 77}, {dawn.Add(77*time.Minute - 1), 76}, {dawn.Add(199 * time.Minute), 199}, {dawn.Add(time.Hour * 99), 200}} {
		h, err := HeadAsOf(t.Context(), s, tip, 0, c.at)
		var got host.Seq
		if h != nil {
			got = h.Seq
		}
		if err != nil || got != c.want {
			t.Errorf("as of %s: %d %v, want %d", c.at, got, err, c.want)
		}
	}
	s.opened = 0
	if _, err := HeadAsOf(t.Context(), s, tip, 0, dawn.Add(3*time.Minute)); err != nil || s.opened > 64 {
		t.Errorf("%d heads read, %v", s.opened, err)
	}
}

func TestDamagedHead(t *testing.T) {
	s := testStore(t)
	tip, _ := grow(t, s, host.HeadRef{}, nil, &recentRefs{}, 3)
	wrong := tip
	wrong.Hash = "sha256:00"
	for name, ref := range map[string]host.HeadRef{"hash": wrong, "missing": {Seq: 3, Hash: tip.Hash, Location: "heads/9.json"},
		"seq": {Seq: 2, Hash: tip.Hash, Location: tip.Location}} {
		if _, err := LoadHead(t.Context(), s, ref); host.CodeOf(err) != host.CodeTableDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStateCacheIsBounded: what does not fit in memory is read again, and nothing else changes.
func TestStateCacheIsBounded(t *testing.T) {
	r := &Runner{CacheBytes: 3 * (100 + 96)}
	var memos []*memo
	for i := range 4 {
		m, err := r.take(host.ProductID{Name: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		m.state.put(&edit{}, "k", make([]byte, 99))
		m.stateOf = "sha256:x"
		r.put(m)
		memos = append(memos, m)
	}
	if memos[0].stateOf != "" || memos[0].state.count != 0 || r.cached != 3*(100+96) {
		t.Fatalf("oldest kept, %d bytes", r.cached)
	}
	m, _ := r.take(host.ProductID{Name: "1"})
	m.state, m.stateOf = keys{}, "sha256:y"
	r.put(m)
	if r.cached != 2*(100+96) || memos[2].stateOf == "" {
		t.Fatalf("%d bytes", r.cached)
	}
}

func TestFit(t *testing.T) {
	long := strings.Repeat("ä", 10_000)
	for name, r := range map[string]map[string]any{
		"one long text": {"id": 1, "text": long},
		"many columns":  wide(500, strings.Repeat("x", 100)),
		"deep":          {"list": []any{long, long}, "id": 1},
	} {
		got := fit(host.RejectedRow{Row: r, Raw: long})
		b, err := json.Marshal(got.Row)
		if err != nil || len(b) > maxRowBytes || len(got.Raw) > maxRowBytes || !strings.HasPrefix(long, got.Raw) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		if _, ok := r["id"]; ok && got.Row["id"] != 1 {
			t.Errorf("%s: the short column is gone: %v", name, got.Row)
		}
		if len(got.Row) < min(len(r), 30) && name != "deep" {
			t.Errorf("%s: only %d columns are left", name, len(got.Row))
		}
	}
}

func wide(n int, v string) map[string]any {
	out := map[string]any{}
	for i := range n {
		out[fmt.Sprint("c", i)] = v
	}
	return out
}
