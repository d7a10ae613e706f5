package session_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// printer is a handler that only prints; a real one enqueues.
type printer struct{}

func (printer) Outcomes(batch []session.Outcome) {
	for _, o := range batch {
		fmt.Println(o.Token, o.Code, string(o.MessageID))
	}
}

func (printer) Deliveries([]session.Delivery) {}

// Bind, send one text, leave in order.
func Example() {
	smsc := newExampleSMSC()
	defer smsc.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	conn, err := net.Dial("tcp", smsc.addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := session.Open(ctx, conn, session.Config{SystemID: "fanline", Password: "secret", Window: 10}, printer{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{
		Source:       smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "17735550100"},
		Destination:  smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "13125550199"},
		ShortMessage: []byte("Hey Ana"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Submit([]session.Item{{Token: 42, PDU: pdu}})
	if err := s.Unbind(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println("ended:", <-ended)
	// Output:
	// 42 accepted 0123456789
	// ended: <nil>
}
