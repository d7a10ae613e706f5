// Package route decides which carrier reaches a member: a Table made of the
// numbers' carriers, rules by number, home network and country, and a table of
// prefixes, is asked for each message with what else is known of the phone.
//
// It knows names, weights and priorities, and nothing of binds: whether a
// carrier is healthy is the engine's to say. The choices of a phone stand in the
// order in which they are to be tried. The engine takes the first whose carrier
// is healthy, so it stays in the first priority group that has a healthy one,
// and a phone keeps to one carrier of its group as long as that is healthy. A
// carrier without a free slot is busy, not ill: the message waits for it.
//
// A Table never changes; a reload makes another and swaps the pointer.
//
//	table, err := route.New(route.Config{
//		Carriers: []string{"acme", "beta"},
//		Numbers:  []route.Number{{Phone: 17735550100, Carriers: []string{"acme", "beta"}}},
//	})
//	choices = table.Choices(choices[:0], route.Query{Number: 17735550100, Phone: 13125550123})
package route
