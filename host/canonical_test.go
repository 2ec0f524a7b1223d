package host

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// The examples are those of RFC 8785, sections 3.2.2 to 3.2.4 and appendix B.
func TestCanonicalJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`: `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"o"}`:                                    "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"o\",\"€\":\"Euro Sign\",\"😀\":\"Emoji\",\"\ufb33\":\"Hebrew\"}",
		`[1e21, 1e20, -0.0, 1e-6, 1e-7, 9007199254740992, 1.7976931348623157e308, 5e-324]`:                                                                                    `[1e+21,100000000000000000000,0,0.000001,1e-7,9007199254740992,1.7976931348623157e+308,5e-324]`,
		`"<&>\u2028"`: "\"<&>\u2028\"",
	} {
		got, err := CanonicalJSON(json.RawMessage(in))
		if err != nil || string(got) != want {
			t.Errorf("%s\n got %s %v\nwant %s", in, got, err, want)
		}
	}
}

func TestCanonicalJSONRefusesWhatItWouldChange(t *testing.T) {
	for _, v := range []any{map[string]int64{"mtime": math.MaxInt64}, json.RawMessage(`1e999`), math.NaN(), json.RawMessage(`[18446744073709551615]`)} {
		if got, err := CanonicalJSON(v); err == nil {
			t.Errorf("%v became %s", v, got)
		}
	}
	if _, err := CanonicalJSON(map[string]int64{"mtime": math.MaxInt64}); err == nil || !strings.Contains(err.Error(), "mtime") {
		t.Errorf("the error does not say where: %v", err)
	}
}
