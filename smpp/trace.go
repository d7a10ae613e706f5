package smpp

// placeholders until the next commit of this file's real content.
type tracer struct{}

func (*tracer) text(*coder, string, string, bool, int) {}
func (*tracer) number(string, byte)                    {}
func (*tracer) message(*coder, int, []byte)            {}
func (*tracer) options(*coder, Options)                {}
func (*tracer) warn(int, string)                       {}

type filler struct{}

func (*filler) text(*coder, string, *string) {}
func (*filler) octet(*coder, string, *byte)  {}
func (*filler) message(*coder, *[]byte)      {}
func (*filler) options(*coder, *Options)     {}
