//go:build cgo && duckdb_arrow

package duckdb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/duckdb"
)

// TestGrows: which statements give for new rows what has to be added. t and g grow, u does not.
func TestGrows(t *testing.T) {
	s, err := duckdb.Driver{}.Load(t.Context(), drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: rows(t)}, {Name: "g", Rows: rows(t)}, {Name: "u", Rows: rows(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for text, why := range map[string]string{
		"SELECT id + 1, upper(name) FROM t WHERE id > 2":                                       "",
		"SELECT t.id, u.name FROM t JOIN u USING (id)":                                         "",
		"SELECT t.id, u.name FROM t LEFT JOIN u USING (id)":                                    "",
		"SELECT t.id, u.name FROM u RIGHT JOIN t USING (id)":                                   "",
		"SELECT t.id FROM u, t":                                                                "",
		"FROM t SEMI JOIN u USING (id)":                                                        "",
		"FROM t ANTI JOIN u USING (id)":                                                        "",
		"FROM t ASOF JOIN u ON t.id >= u.id":                                                   "",
		"SELECT id FROM t UNION ALL SELECT id FROM g":                                          "",
		"WITH c AS (FROM t WHERE id > 1), d AS (SELECT * FROM c) SELECT id FROM d":             "",
		"SELECT id FROM (SELECT * FROM t) WHERE id IN (SELECT id FROM u)":                      "",
		"SELECT id, (SELECT max(u.name) FROM u WHERE u.id = t.id) FROM t":                      "",
		"SELECT id, unnest([1, 2]) FROM t":                                                     "",
		"SELECT t.id, n FROM t, (SELECT count(*) AS n FROM u GROUP BY ALL ORDER BY 1 LIMIT 1)": "",
		"WITH t AS (FROM u) SELECT count(*) FROM t":                                            "reads no input that grows",
		"SELECT count(*) FROM t":                                                               "1:8 the aggregate count needs",
		"SELECT name, 1 + sum(id) FROM t GROUP BY name":                                        "the aggregate sum needs",
		"SELECT name FROM t GROUP BY name":                                                     "groups need",
		"SELECT name FROM t GROUP BY ALL":                                                      "groups need",
		"SELECT id, row_number() OVER () FROM t":                                               "a window needs",
		"SELECT id FROM t QUALIFY row_number() OVER (PARTITION BY name) = 1":                   "a window needs",
		"SELECT DISTINCT name FROM t":                                                          "DISTINCT needs",
		"SELECT id FROM t\nORDER BY id":                                                        "ORDER needs",
		"SELECT id FROM t LIMIT 3":                                                             "LIMIT needs",
		"SELECT t.id FROM t JOIN g USING (id)":                                                 "both sides",
		"SELECT a.id FROM t a JOIN t b USING (id)":                                             "both sides",
		"WITH c AS (FROM t) SELECT a.id FROM c a JOIN c b USING (id)":                          "both sides",
		"SELECT t.id FROM u LEFT JOIN t USING (id)":                                            "a left join needs",
		"SELECT t.id FROM t FULL JOIN u USING (id)":                                            "a full join needs",
		"SELECT t.id FROM t RIGHT JOIN u USING (id)":                                           "a right join needs",
		"FROM u SEMI JOIN t USING (id)":                                                        "a semi join needs",
		"FROM u ANTI JOIN t USING (id)":                                                        "an anti join needs|a anti join needs",
		"FROM u ASOF JOIN t ON u.id >= t.id":                                                   "a inner join needs",
		"SELECT * FROM t POSITIONAL JOIN u":                                                    "a positional join needs",
		"SELECT id FROM t UNION SELECT id FROM g":                                              "UNION needs",
		"SELECT id FROM t EXCEPT SELECT id FROM u":                                             "EXCEPT needs",
		"SELECT id FROM t UNION ALL SELECT id FROM u":                                          "a part of UNION ALL",
		"SELECT id FROM t UNION ALL SELECT id FROM g ORDER BY 1":                               "ORDER needs",
		"SELECT id FROM u WHERE id IN (SELECT id FROM t)":                                      "a subquery reads",
		"SELECT id FROM t WHERE id > (SELECT avg(id) FROM t)":                                  "a subquery reads",
		"SELECT id FROM u WHERE EXISTS (WITH c AS (FROM t) FROM c)":                            "a subquery reads",
		"SELECT u.id FROM u JOIN u v ON u.id = (SELECT max(id) FROM t)":                        "a subquery reads",
		"SELECT 1": "reads no input that grows",
		"WITH RECURSIVE n AS (SELECT id FROM t UNION ALL SELECT id + 1 FROM n WHERE id < 3) FROM n": "needs all rows",
		"SELECT id FROM (SELECT id FROM t LIMIT 1)":                                                 "LIMIT needs",
		"SELECT list_sum(list(id)) FROM t":                                                          "the aggregate list needs",
		"SELECT geomean(id) FROM t":                                                                 "the aggregate geomean needs",
	} {
		p, err := s.Plan(t.Context(), drivers.Question{Text: text, Origin: "out.sql", Growing: []string{"t", "G"}})
		var e *drivers.Error
		switch {
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case why == "" && p.Whole != nil:
			t.Errorf("%s: %v", text, p.Whole)
		case why != "" && (p.Whole == nil || !errors.As(p.Whole, &e)):
			t.Errorf("%s: taken, though %s", text, why)
		case why != "":
			_, words, _ := strings.Cut(why, "1:8 ")
			if words == "" {
				words = why
			}
			found := false
			for _, w := range strings.Split(words, "|") {
				found = found || strings.Contains(e.Message, w)
			}
			if !found || words != why && (e.Line != 1 || e.Column != 8) {
				t.Errorf("%s: %d:%d %s, want %s", text, e.Line, e.Column, e.Message, why)
			}
		}
	}
}
