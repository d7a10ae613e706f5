package api

import (
	"encoding/json"
	"net/http"
	"sync"
)

// stream writes NDJSON, each line as soon as it is there. Lines may come from
// several goroutines.
type stream struct {
	mu      sync.Mutex
	encoder *json.Encoder
	control *http.ResponseController
	err     error // the first; the client has left then
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{encoder: json.NewEncoder(w), control: http.NewResponseController(w)}
}

// line writes one object; the error of the first failed line stays.
func (s *stream) line(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.encoder.Encode(v)
	}
	if s.err == nil {
		s.err = s.control.Flush()
	}
	return s.err
}
