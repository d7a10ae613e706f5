package text_test

import (
	"fmt"
	"strings"

	"fanline/smpp/text"
)

func Example() {
	m := text.Split(strings.Repeat("Hey Ana, see you tonight! ", 7), 7)
	for _, part := range m.Parts {
		fmt.Println(m.Encoding, m.DataCoding(), m.ESMClass(), len(part.Data), len(part.Text))
	}
	// Output:
	// gsm7 0 64 159 153
	// gsm7 0 64 35 29
}
