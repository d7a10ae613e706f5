package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"fanline/api"
)

// carrierMetrics are what `fanline carrier list` shows, for those who watch over
// time.
type carrierMetrics struct {
	binds, wanted, flight, window, windowUsed, answer, limit, pace, throttled, waiting, congestion, alarms *prometheus.Desc
	admin, breaker                                                                                         *prometheus.Desc
}

func newCarrierMetrics() carrierMetrics {
	return carrierMetrics{
		binds:      desc("carrier_binds", "Binds that are up.", "carrier"),
		wanted:     desc("carrier_binds_wanted", "Binds that the configuration asks for.", "carrier"),
		flight:     desc("carrier_in_flight", "Submits without an answer.", "carrier"),
		window:     desc("carrier_window", "Submits that may be without an answer, of all binds that are up.", "carrier"),
		windowUsed: desc("carrier_window_used", "Of the window, what is used for how the carrier answers.", "carrier"),
		answer:     desc("carrier_answer_seconds", "How long answers take, smoothed; 0 before the first.", "carrier"),
		limit:      desc("carrier_limit", "Parts a second that were agreed; 0: no limit.", "carrier"),
		pace:       desc("carrier_pace", "Parts a second that the carrier was found to take; 0: no less than agreed.", "carrier"),
		throttled:  desc("carrier_throttled_ratio", "Share of the answers of the last seconds that throttle.", "carrier"),
		waiting:    desc("carrier_waiting", "Messages that have this carrier and wait.", "carrier"),
		congestion: desc("carrier_congestion_state", "congestion_state of SMPP 5.0 seen last, 0 to 100; -1: none.", "carrier"),
		alarms:     desc("carrier_alarms", "Things that a person must look after.", "carrier"),
		admin:      desc("carrier_admin", "1 for what the operator wants of the carrier.", "carrier", "state"),
		breaker:    desc("carrier_breaker_open", "1 while a carrier's breaker is open.", "carrier"),
	}
}

// collect writes the metrics of all carriers.
func (m *carrierMetrics) collect(all []api.Carrier, out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	for i := range all {
		c := &all[i]
		gauge(m.binds, float64(c.Bound), c.Name)
		gauge(m.wanted, float64(c.Binds), c.Name)
		gauge(m.flight, float64(c.InFlight), c.Name)
		gauge(m.window, float64(c.Window), c.Name)
		gauge(m.windowUsed, float64(c.WindowUsed), c.Name)
		gauge(m.answer, c.AnswerMS/1000, c.Name)
		gauge(m.limit, float64(c.LimitPerSecond), c.Name)
		gauge(m.pace, float64(c.PacePerSecond), c.Name)
		gauge(m.throttled, c.ThrottledShare, c.Name)
		gauge(m.waiting, float64(c.Waiting), c.Name)
		gauge(m.congestion, float64(c.Congestion), c.Name)
		gauge(m.alarms, float64(len(c.Alarms)), c.Name)
		gauge(m.breaker, is(c.Breaker == "open"), c.Name)
		for _, admin := range carrierVerbs() {
			if admin != "" {
				gauge(m.admin, is(string(admin) == c.Admin), c.Name, string(admin))
			}
		}
	}
}
