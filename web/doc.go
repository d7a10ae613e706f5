// Package web serves the pages that people see who text a number: the join
// form behind a signed link, the contact card, and the few pages around them.
// Everything is rendered here, needs no script, and is embedded in the
// program.
//
// It refuses to know SQL, Kafka and what joining means: a Joiner takes what
// was filled in, a Directory tells whose number it is.
//
//	site, err := web.New(web.Config{PublicURL: "https://txt.example"}, links, directory, joiner)
//	err = web.Serve(ctx, listener, site.Handler())
package web
