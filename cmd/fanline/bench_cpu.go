package main

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// benchRule sends the samples of goroutines whose stack holds a function to a
// stage. The first rule that matches wins; it looks from the goroutine's own
// function inwards, so a stage pays for what it calls.
type benchRule struct {
	function string // prefix
	stage    string
	budget   float64 // µs a message, from architecture.md; 0: none was set
}

// benchRules follow a message through the process.
func benchRules() []benchRule {
	return []benchRule{
		{"fanline/pipeline/audience.", "planner and store", 1},
		{"fanline/engine.(*Engine).Run", "engine", 3.3}, // consent, merge, encode 1 + journal 0.8 + receipts 1.5
		{"fanline/smpp/session.", "smpp session", 0.5},
		{"fanline/engine/carrier.", "receipts intake", 0},
		{"fanline/analytics.", "sink (kafka-go, clickhouse-go)", 0},
		{"github.com/segmentio/kafka-go", "sink (kafka-go, clickhouse-go)", 0},
		{"github.com/ClickHouse", "sink (kafka-go, clickhouse-go)", 0},
		{"github.com/twmb/franz-go/pkg/kfake.", "broker", 0},
		{"fanline/pipeline/embedded.", "broker's fsync and trim", 0},
		{"fanline/pipeline.", "log clients (franz-go)", 0},
		{"github.com/twmb/franz-go/pkg/kgo.", "log clients (franz-go)", 0},
		{"fanline/community", "planner and store", 1},
		{"main.", "the rest", 0},
		{"runtime.gcBgMarkWorker", "garbage collector", 0},
		{"runtime.bgsweep", "garbage collector", 0},
		{"runtime.bgscavenge", "garbage collector", 0},
		{"runtime.", "scheduler", 0},
	}
}

// benchStages divides the CPU time of this process (µs a message) by the
// profile's samples.
func benchStages(raw []byte, total float64) ([]benchStage, error) {
	p, err := profile.Parse(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the CPU profile: %w", err)
	}
	rules := benchRules()
	stages := map[string]*benchStage{}
	var sum int64
	for _, s := range p.Sample {
		rule := stageOf(s, rules)
		st := stages[rule.stage]
		if st == nil {
			st = &benchStage{Name: rule.stage}
			if rule.budget > 0 {
				st.Budget = &rule.budget
			}
			stages[rule.stage] = st
		}
		st.CPU += float64(s.Value[0])
		sum += s.Value[0]
	}
	out := make([]benchStage, 0, len(stages))
	for _, st := range stages {
		st.CPU *= total / float64(max(1, sum))
		out = append(out, *st)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].CPU > out[j].CPU })
	return out, nil
}

// stageOf walks from the goroutine's first function to the running one.
func stageOf(s *profile.Sample, rules []benchRule) benchRule {
	for i := len(s.Location) - 1; i >= 0; i-- {
		lines := s.Location[i].Line
		for j := len(lines) - 1; j >= 0; j-- {
			name := lines[j].Function.Name
			for _, r := range rules {
				if strings.HasPrefix(name, r.function) && (i == 0 || r.function != "main." && r.function != "runtime.") {
					return r
				}
			}
		}
	}
	return benchRule{stage: "the rest"}
}

// cpuOf returns the CPU time that processes have used, all threads, user and
// system (proc(5), fields 14 and 15 of stat).
func cpuOf(pids map[string]int) map[string]time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on.
	used := map[string]time.Duration{}
	for name, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // It has ended: its row shows 0.
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 {
			continue
		}
		for _, field := range f[11:13] {
			n, _ := strconv.ParseInt(field, 10, 64) // The kernel's own number.
			used[name] += time.Duration(n) * tick
		}
	}
	return used
}
