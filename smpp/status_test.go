package smpp

import (
	"strings"
	"testing"
)

// The classes are those that experience with carriers proposes; what is not
// named here is never sent again.
func TestEveryStatusSaysWhatToDo(t *testing.T) {
	named := map[Class][]Status{
		ClassOK:        {0x00},
		ClassThrottle:  {0x58, 0x14},
		ClassTransient: {0x08, 0x64, 0xFF, 0x45},
		ClassSender:    {0x0A, 0x48, 0x49, 0x101, 0x103},
		ClassSession:   {0x02, 0x03, 0x04},
		ClassBindRetry: {0x05, 0x0D},
		ClassBindFatal: {0x0E, 0x0F, 0x53},
		ClassPermanent: {
			0x01, 0x06, 0x07, 0x0B, 0x15, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x50, 0x51, 0x54, 0x55, 0x61, 0x62, 0x63, 0x65, 0x66,
			0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xFE, 0x100, 0x102, 0x104, 0x105, 0x106,
		},
	}
	want := map[Status]Class{}
	for class, codes := range named {
		for _, s := range codes {
			want[s] = class
			if info, ok := s.Lookup(); !ok || info.Status != s {
				t.Errorf("%#x is not in the table", uint32(s))
			}
		}
	}
	check := func(s Status) {
		class, ok := want[s]
		if !ok {
			class = ClassPermanent
		}
		if got := s.Class(); got != class {
			t.Errorf("%s: %s, want %s", s, got, class)
		}
	}
	for s := range Status(0x600) {
		check(s)
	}
	check(0x7FFFFFFF)
	check(0xFFFFFFFF)
	if !StatusSubmitFailed.Once() || StatusSysErr.Once() {
		t.Error("0x45 is worth one more try, 0x08 more than one")
	}
}

func TestABindIsTriedAgainUnlessSomeoneMustActFirst(t *testing.T) {
	for s := range Status(0x600) {
		want := ClassBindRetry
		switch s {
		case 0x00:
			want = ClassOK
		case 0x0E, 0x0F, 0x53:
			want = ClassBindFatal
		}
		if got := s.BindClass(); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func TestTheTableHasEveryStatusOfTheSpecifications(t *testing.T) {
	known := map[Status]bool{}
	for _, span := range [][2]Status{
		{0x00, 0x08},
		{0x0A, 0x0F},
		{0x11, 0x11},
		{0x13, 0x15},
		{0x33, 0x34},
		{0x40, 0x40},
		{0x42, 0x45},
		{0x48, 0x49},
		{0x50, 0x51},
		{0x53, 0x55},
		{0x58, 0x58},
		{0x61, 0x67},
		{0xC0, 0xC4},
		{0xFE, 0xFF},
		{0x100, 0x112},
	} {
		for s := span[0]; s <= span[1]; s++ {
			known[s] = true
		}
	}
	for s := range Status(0x600) {
		if info, ok := s.Lookup(); ok != known[s] || ok != strings.HasPrefix(info.Name, "ESME_") {
			t.Errorf("%#x: %+v, %v", uint32(s), info, ok)
		}
		if vendor := s >= 0x400 && s <= 0x4FF; s.Vendor() != vendor {
			t.Errorf("%#x: a vendor's: %v", uint32(s), s.Vendor())
		}
	}
}

func TestTheTableOfStatusesIsInOrder(t *testing.T) {
	last := -1
	names := map[string]bool{}
	for _, info := range Statuses() {
		if int(info.Status) <= last || names[info.Name] || info.Meaning == "" {
			t.Errorf("%+v", info)
		}
		if info.Status.String() != info.Name {
			t.Errorf("%#x is called %s", uint32(info.Status), info.Status)
		}
		last, names[info.Name] = int(info.Status), true
	}
	for s, want := range map[Status]string{0: "ESME_ROK", 0x58: "ESME_RTHROTTLED", 0x401: "0x00000401", 0x10: "0x00000010"} {
		if got := s.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := StatusThrottled.Class().String(); got != "throttle" {
		t.Error(got)
	}
}
