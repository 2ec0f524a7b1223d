package cluster

import (
	"bytes"
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestKeep: history gets shorter only, and by the owner of now.
func TestKeep(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	kept := func(from host.Seq) host.Kept { return host.Kept{From: from} }
	if got := must[host.Kept](t)(c.Kept(ctx, strikes)); got.From != 0 {
		t.Fatalf("%+v before any", got)
	}
	for _, step := range [][2]host.Seq{{0, 5}, {0, 5}, {5, 9}} { // the second: its reply was lost
		if err := c.Keep(ctx, own, kept(step[0]), kept(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, c.Keep(ctx, own, kept(5), kept(12)), host.CodeRunLostOwner) // built on what was
	wantCode(t, c.Keep(ctx, own, kept(9), kept(8)), host.CodeNodeConflict)
	next := must[host.Ownership](t)(c.Claim(ctx, strikes))
	wantCode(t, c.Keep(ctx, own, kept(9), kept(12)), host.CodeRunLostOwner)
	if got := must[host.Kept](t)(c.Kept(ctx, strikes)); got.From != 9 {
		t.Fatalf("a replaced owner moved it to %+v", got)
	}
	if err := c.Keep(ctx, next, kept(9), kept(12)); err != nil {
		t.Fatal(err)
	}
}

// TestImage takes a mesh from one etcd to another: it is the same, but that nobody owns anything, and that no epoch that
// the image or its restorer knows of is used again.
func TestImage(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	spec := must[host.Spec](t)(c.PutSpec(ctx, host.Spec{Product: strikes, Artifact: "sha256:a", Paused: true, Config: map[string]string{"k": "<&>\u2028"}}, NewProduct))
	head := pointer(1, own, "r1")
	for _, err := range []error{
		c.Commit(ctx, own, host.Pointer{}, head),
		c.Acknowledge(ctx, own, host.Delivered{}, host.Delivered{Seq: 1, Total: 2}),
		c.Keep(ctx, own, host.Kept{}, host.Kept{From: 1, Undecided: []host.HeadRef{{Seq: 2, Hash: "sha256:x", Location: "y"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.ChangeNodeConfig(ctx, "n7", func(n *NodeConfig) { n.Cordoned, n.Member = true, true }); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := must[*Image](t)(c.Image(ctx)).Write(&file); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(file.String(), own.Node+`"`) && strings.Contains(file.String(), prefixNode) {
		t.Errorf("who is alive is in the image:\n%s", &file)
	}
	im := must[*Image](t)(ReadImage(bytes.NewReader(file.Bytes())))
	dir := t.TempDir()
	if err := Restore(ctx, Config{Dir: dir}, im, 70); err != nil {
		t.Fatal(err)
	}
	wantCode(t, Restore(ctx, Config{Dir: dir}, im, 70), host.CodeNodeConflict)

	there := openTest(t, Config{Dir: dir})
	if got := must[host.Spec](t)(there.Spec(ctx, strikes)); !got.Paused || got.Generation != spec.Generation || got.Config["k"] != spec.Config["k"] {
		t.Errorf("spec %+v, was %+v", got, spec)
	}
	if got := must[host.Pointer](t)(there.Head(ctx, strikes)); got != head {
		t.Errorf("head %+v", got)
	}
	if got := must[host.Delivered](t)(there.Delivered(ctx, strikes)); got.Seq != 1 || got.Total != 2 {
		t.Errorf("delivered %+v", got)
	}
	if got := must[host.Kept](t)(there.Kept(ctx, strikes)); got.From != 1 || len(got.Undecided) != 1 {
		t.Errorf("kept %+v", got)
	}
	if got := must[map[host.ProductID]Owner](t)(there.Owners(ctx))[strikes]; got.Node != "" || got.Epoch != own.Epoch {
		t.Errorf("owner %+v", got)
	}
	if n := must[[]NodeConfig](t)(there.NodeConfigs(ctx)); len(n) != 1 || !n[0].Cordoned || n[0].Member {
		t.Errorf("nodes %+v", n)
	}
	mine := must[host.Ownership](t)(there.Claim(ctx, strikes))
	if mine.Epoch <= 70+unseenClaims {
		t.Errorf("epoch %d", mine.Epoch)
	}
	// The next commit compares the pointer's bytes with what was restored.
	if err := there.Commit(ctx, mine, head, pointer(2, mine, "r2")); err != nil {
		t.Fatal(err)
	}
	if err := there.Keep(ctx, mine, must[host.Kept](t)(there.Kept(ctx, strikes)), host.Kept{From: 2}); err != nil {
		t.Fatal(err)
	}
}
