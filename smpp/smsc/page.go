package smsc

import "net/http"

type live struct{}

func newLive(s *server) *live                                { return &live{} }
func (l *live) serve(w http.ResponseWriter, _ *http.Request) {}
func servePage(w http.ResponseWriter, _ *http.Request)       {}
