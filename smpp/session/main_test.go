package session_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds every test to the rule that whoever starts a goroutine waits for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
