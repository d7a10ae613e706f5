package main

import (
	"errors"
	"testing"
)

func TestAStoreIsRefusedWithTheLogOfAnother(t *testing.T) {
	for name, test := range map[string]struct {
		history
		refused bool
	}{
		"a first start":                              {history{}, false},
		"a first start that was cut short":           {history{journal: 24}, false},
		"a restart":                                  {history{started: 7, unfinished: 1, told: 9, journal: 5000}, false},
		"killed before the first start was told":     {history{started: 1, unfinished: 1, journal: 24}, false},
		"a new store on an old log":                  {history{told: 9, journal: 5000}, true},
		"an old store on a new log":                  {history{started: 7, unfinished: 1}, true},
		"an old store with nothing left to be sent":  {history{started: 7}, false},
		"a new store with drafts, after one restart": {history{journal: 24}, false},
	} {
		if err := test.check(); errors.Is(err, errHistory) != test.refused {
			t.Errorf("%s: %v, refused should be %v", name, err, test.refused)
		}
	}
}
