package smpp

import "testing"

func TestEveryStatusSaysWhatToDo(t *testing.T) {
	want := map[Class][]Status{
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
			0x400, 0x4FF, 0x7FFFFFFF, 0xFFFFFFFF, // Nobody knows these: not again.
		},
	}
	for class, codes := range want {
		for _, s := range codes {
			if got := s.Class(); got != class {
				t.Errorf("%s: %s, want %s", s, got, class)
			}
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
