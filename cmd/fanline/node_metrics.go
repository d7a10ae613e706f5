package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"fanline/engine"
	"fanline/engine/message"
)

// nodeCollector turns the parts' own counts into metrics when they are asked
// for, so that counting costs nothing in between.
type nodeCollector struct {
	n      *node
	parts  *prometheus.Desc
	counts *prometheus.Desc
	now    *prometheus.Desc
	lag    *prometheus.Desc
	rows   *prometheus.Desc

	receipts receiptMetrics
	carriers carrierMetrics
}

// receiptMetrics say what became of receipts and how carriers write ids.
type receiptMetrics struct {
	results, forms, reused, parked, rate *prometheus.Desc
}

func newReceiptMetrics() receiptMetrics {
	return receiptMetrics{
		results: desc("receipts_total", "Delivery receipts by what became of them.", "carrier", "result"),
		forms:   desc("receipt_ids_total", "Matched receipts by how their id relates to that of the response.", "carrier", "form"),
		reused:  desc("message_ids_reused_total", "Ids that a carrier gave to more than one message.", "carrier"),
		parked:  desc("receipts_parked", "Receipts whose message is not known yet.", "carrier"),
		rate:    desc("receipt_match_ratio", "Share of final receipts that found their message, since the start.", "carrier"),
	}
}

func (m *receiptMetrics) collect(all []engine.CarrierReceipts, out chan<- prometheus.Metric) {
	for i := range all {
		r := &all[i]
		for result, n := range r.Results() {
			out <- prometheus.MustNewConstMetric(m.results, prometheus.CounterValue, float64(n), r.Carrier, result)
		}
		for form, n := range r.ByForm {
			out <- prometheus.MustNewConstMetric(m.forms, prometheus.CounterValue, float64(n), r.Carrier, engine.IDForm(form).String())
		}
		out <- prometheus.MustNewConstMetric(m.reused, prometheus.CounterValue, float64(r.IDsReused), r.Carrier)
		out <- prometheus.MustNewConstMetric(m.parked, prometheus.GaugeValue, float64(r.Parked), r.Carrier)
		out <- prometheus.MustNewConstMetric(m.rate, prometheus.GaugeValue, r.MatchRate(), r.Carrier)
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fanline_"+name, help, labels, nil)
}

// registerMetrics adds Fanline's own metrics to the process's.
func (n *node) registerMetrics() {
	n.observer.registry.MustRegister(&nodeCollector{
		n:      n,
		parts:  desc("parts_total", "Parts by what became of their submit.", "outcome"),
		counts: desc("engine_events_total", "What the engine came across.", "event"),
		now:    desc("engine_now", "What the engine holds at present.", "what"),
		lag:    desc("sink_lag_records", "Records in the log that are not in ClickHouse yet.", "topic"),
		rows:   desc("sink_rows_total", "Rows inserted into ClickHouse.", "topic"),

		receipts: newReceiptMetrics(), carriers: newCarrierMetrics(),
	})
}

// Describe is part of prometheus.Collector.
func (c *nodeCollector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect is part of prometheus.Collector.
func (c *nodeCollector) Collect(out chan<- prometheus.Metric) {
	s := c.n.engine.Stats()
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter(c.parts, s.Accepted, message.Accepted.String())
	counter(c.parts, s.Refused, message.Refused.String())
	counter(c.parts, s.Unknown, message.Unknown.String())
	for event, v := range map[string]int64{
		"commit": s.Commits, "written": s.Written, "throttled": s.Throttled, "stray_answer": s.Stray,
		"receipt_matched": s.ReceiptsMatched, "receipt_repeated": s.ReceiptsRepeated, "receipt_unmatched": s.ReceiptsUnmatched,
		"receipt_intermediate": s.ReceiptsIntermediate, "id_reused": s.IDsReused, "poison": s.Poison, "gap": s.Gaps,
	} {
		counter(c.counts, v, event)
	}
	for what, v := range map[string]int64{
		"receipts_parked": s.ReceiptsParked, "receipts_pending": s.ReceiptsPending, "in_flight": s.InFlight,
		"queued_blocks": s.QueuedBlocks, "queued_messages": s.QueuedSingle, "revoked_phones": s.Revoked,
	} {
		gauge(c.now, float64(v), what)
	}
	c.receipts.collect(c.n.engine.Receipts(), out)
	c.carriers.collect(c.n.carriers.Carriers(), out)
	for _, t := range c.n.sink.Stats() {
		lag := int64(0)
		for _, l := range t.Lag {
			lag += l
		}
		gauge(c.lag, float64(lag), t.Topic)
		counter(c.rows, int64(t.Rows), t.Topic)
	}
}
