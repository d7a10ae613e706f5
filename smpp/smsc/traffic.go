package smsc

import "net/http"

type trafficTable struct{}

func (s *server) serveTraffic(w http.ResponseWriter, _ *http.Request)  {}
func (s *server) switchTraffic(w http.ResponseWriter, _ *http.Request) {}
