package smpp_test

import (
	"fmt"

	"fanline/smpp"
)

func Example() {
	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.SubmitSM{
		Source:       smpp.Address{TON: smpp.TONNational, NPI: smpp.NPIISDN, Addr: "7735550100"},
		Destination:  smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "13125550199"},
		ShortMessage: []byte("Hey Ana"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var submit smpp.SubmitSM // Points into pdu from here on.
	header, err := smpp.DecodeInto(pdu, &submit)
	fmt.Println(header.ID, submit.Destination.Addr, string(submit.ShortMessage), err)
	// Output: submit_sm 13125550199 Hey Ana <nil>
}

func ExampleParseReceipt() {
	receipt, ok := smpp.ParseReceipt(&smpp.DeliverSM{
		ESMClass:     smpp.ESMReceipt,
		ShortMessage: []byte("id:1a2b submit date:2601151200 done date:2601151201 stat:UNDELIV err:21b text:Hey"),
	})
	fmt.Println(ok, receipt.ID, receipt.Stat, receipt.Err, receipt.State == smpp.StateUndeliverable)
	// Output: true 1a2b UNDELIV 21b true
}

func ExampleStatus() {
	for _, status := range []smpp.Status{smpp.StatusThrottled, smpp.StatusInvSrcAddr, 0x401} {
		fmt.Println(status, status.Class())
	}
	// Output:
	// ESME_RTHROTTLED throttle
	// ESME_RINVSRCADR sender
	// 0x00000401 permanent
}
