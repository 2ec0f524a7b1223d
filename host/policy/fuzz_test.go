package policy

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzAnswer gives requests of guests that may be anything: the answer is {allow, reason}, what cannot be read is denied.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"action":"read","resource":"adp://./aviation/airports/airports","purpose":"maps"}`, `{"action":"read"}`, ``, `{}`, `null`, `[]`,
		`{"action":"read","resource":"adp://other/a/b"}`, `{"action":"control","resource":"adp://./safety/strikes"}`, `{"Action":"read"} trailing`,
		`{"action":"read","resource":"adp://./../x/y?asOf=1"}`, `{"action":1}`, `{"action":"read","more":{}}`, "{\"action\":\"\xff\"}", `[[[[[[[[[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		var a struct {
			Allow  *bool  `json:"allow"`
			Reason string `json:"reason"`
		}
		answer := public.Answer(strikes, request)
		if err := json.Unmarshal(answer, &a); err != nil || a.Allow == nil || !*a.Allow && a.Reason == "" {
			t.Fatalf("the answer is %s", answer)
		}
		var read map[string]string
		if *a.Allow && json.NewDecoder(bytes.NewReader(request)).Decode(&read) != nil {
			t.Fatalf("%q is allowed", request)
		}
	})
}
